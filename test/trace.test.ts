import { describe, expect, it } from 'vitest';
import { InvariantError } from '../lib/errors.ts';
import { tensorOf } from '../lib/tensor/tensor.ts';
import { discardTrace, namedTrace, recordTrace } from '../lib/trace.ts';

const x = tensorOf('f64', [1], [1]);

describe('trace', () => {
  it('names a tensor by the path of its parts; index 0 is part of the name', () => {
    const names: string[] = [];
    const trace = namedTrace((name) => names.push(name));
    trace.part('macro', 0).part('model').part('layers', 12).tensor('output', x);
    trace.tensor('top', x);
    expect(names).toEqual(['macro.0.model.layers.12.output', 'top']);
  });

  it('trace/T1: keeps the order of execution, and refuses a name that comes twice', () => {
    const { trace, tensors } = recordTrace();
    trace.tensor('b', x);
    trace.tensor('a', x);
    expect([...tensors.keys()]).toEqual(['b', 'a']);
    expect(() => trace.tensor('a', x)).toThrow(InvariantError);
  });

  it('trace/T2: keeps a copy, not the tensor that the next operation may change', () => {
    const { trace, tensors } = recordTrace();
    const y = x.clone();
    trace.tensor('y', y);
    y.set([0], 2);
    expect(tensors.get('y')!.get(0)).toBe(1);
  });

  it('off, it builds no names', () => {
    expect(discardTrace.part('layers', 3)).toBe(discardTrace);
  });
});
