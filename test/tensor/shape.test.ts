import { describe, expect, it } from 'vitest';
import { CallerError } from '../../lib/errors.ts';
import { bindShapes } from '../../lib/tensor/shape.ts';
import { zeros } from '../../lib/tensor/tensor.ts';

describe('bindShapes', () => {
  it('notation/C1: returns the size of each name', () => {
    expect(bindShapes('x/C1', { a: [zeros('f64', [2, 3]), 'T', 'd'], b: [zeros('f64', [3]), 'd'] })).toEqual({
      T: 2,
      d: 3,
    });
  });

  it('notation/C1: names the rule, the argument, what is known and what was found', () => {
    const bind = () =>
      bindShapes('rms-norm/C1', { x: [zeros('f64', [2, 3]), 'T', 'd'], weight: [zeros('f64', [4]), 'd'] });
    expect(bind).toThrow(CallerError);
    expect(bind).toThrow('rms-norm/C1: shape of weight: expected [d = 3], found [4]');
  });

  it('catches a wrong rank, which a check of sizes alone would let pass', () => {
    expect(() => bindShapes('x/C1', { a: [zeros('f64', [3]), 'T', 'd'] })).toThrow(
      'expected [T, d], found [3]',
    );
    expect(() => bindShapes('x/C1', { a: [zeros('f64', [2, 3, 1]), 'T', 'd'] })).toThrow('found [2, 3, 1]');
  });

  it('a dimension of 0 is bound like any other', () => {
    expect(() => bindShapes('x/C1', { a: [zeros('f64', [0]), 'd'], b: [zeros('f64', [1]), 'd'] })).toThrow(
      '[d = 0], found [1]',
    );
  });
});
