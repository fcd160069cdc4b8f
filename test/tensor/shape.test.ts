import { describe, expect, it } from 'vitest';
import { CallerError } from '../../lib/errors.ts';
import { shapeCheck } from '../../lib/tensor/shape.ts';
import { zeros } from '../../lib/tensor/tensor.ts';

describe('shapeCheck', () => {
  const check = shapeCheck('rms-norm/C1', ['x', 'T', 'd'], ['weight', 'd']);

  it('notation/C1: shapes that agree pass, whatever their sizes', () => {
    check(zeros('f64', [2, 3]), zeros('f64', [3]));
    check(zeros('f64', [5, 1]), zeros('f64', [1]));
    check(zeros('f64', [2, 0]), zeros('f64', [0]));
  });

  it('notation/C1: names the rule, the argument, what is known and what was found', () => {
    const disagree = () => check(zeros('f64', [2, 3]), zeros('f64', [4]));
    expect(disagree).toThrow(CallerError);
    expect(disagree).toThrow('rms-norm/C1: shape of weight: expected [d = 3], found [4]');
  });

  it('catches a wrong rank, which a check of sizes alone would let pass', () => {
    expect(() => check(zeros('f64', [3]), zeros('f64', [3]))).toThrow('expected [T, d], found [3]');
    expect(() => check(zeros('f64', [2, 3, 1]), zeros('f64', [3]))).toThrow('found [2, 3, 1]');
    expect(() => check(zeros('f64', [2, 3]), zeros('f64', [3, 1]))).toThrow('found [3, 1]');
  });

  it('a dimension of 0 is a size like any other', () => {
    expect(() => check(zeros('f64', [2, 0]), zeros('f64', [1]))).toThrow('[d = 0], found [1]');
  });

  it('a name within one shape, or in a third tensor, stands for one size', () => {
    const square = shapeCheck('x/C1', ['a', 'n', 'n'], ['b', 'm'], ['c', 'm', 'n']);
    square(zeros('f64', [2, 2]), zeros('f64', [3]), zeros('f64', [3, 2]));
    expect(() => square(zeros('f64', [2, 4]), zeros('f64', [3]), zeros('f64', [3, 2]))).toThrow(
      'shape of a: expected [n = 2, n = 2], found [2, 4]',
    );
    expect(() => square(zeros('f64', [2, 2]), zeros('f64', [3]), zeros('f64', [4, 2]))).toThrow(
      'shape of c: expected [m = 3, n = 2], found [4, 2]',
    );
  });
});
