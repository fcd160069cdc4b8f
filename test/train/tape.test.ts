import { describe, expect, it } from 'vitest';
import type { Kernels } from '../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { add } from '../../lib/ops/add.ts';
import { linear } from '../../lib/ops/linear.ts';
import { type Tensor, tensorOf, zeros } from '../../lib/tensor/tensor.ts';
import { trainingPass } from '../../lib/train/tape.ts';
import { placed } from '../helpers/gradients.ts';

/** Goes forward and back once through `y = x W^T + b`, with dy = 1 everywhere. */
function once(pass: ReturnType<typeof trainingPass>, { x, w }: { x: Tensor; w: Tensor }): Tensor {
  const y = linear(pass.kernels, x, { weight: w });
  pass.kernels.tape!.record(({ gradient }) => gradient(y).data.fill(1));
  pass.backward();
  return y;
}

describe('training pass', () => {
  it('training/C2: a view has the gradient of what it is a view of', () => {
    const { place, tensors } = placed({ x: [4, 3] });
    const pass = trainingPass(referenceKernels('f64'), place);
    const y = add(pass.kernels, tensors.x.rows(1, 3), tensors.x.rows(2, 4)).reshape([6]);
    pass.kernels.tape!.record(({ gradient }) => gradient(y).data.set([1, 2, 3, 4, 5, 6]));
    pass.backward();
    expect([...place.gradients.data.slice(0, 12)]).toEqual([0, 0, 0, 1, 2, 3, 5, 7, 9, 4, 5, 6]);
    expect(pass.gradient(tensors.x.rows(2, 3)).data).toEqual(place.gradients.data.subarray(6, 9));
  });

  it('training/C2: the gradient of a tensor from elsewhere is an error; so is a workspace, whose tensors would have none', () => {
    const pass = trainingPass(referenceKernels('f64'), placed({ x: [2, 2] }).place);
    expect(() => pass.gradient(zeros('f64', [2, 3]))).toThrow(
      'training/C2: gradient of a tensor of shape [2, 3]: expected a parameter, or a result of this pass',
    );
    expect(() => pass.kernels.workspace()).toThrow(/training\/C2/);
  });

  it('training/C3: gradients of parameters add up over passes', () => {
    const { place, tensors } = placed({ x: [2, 3], w: [5, 3] });
    const pass = trainingPass(referenceKernels('f64'), place);
    once(pass, tensors);
    const first = place.gradients.clone();
    pass.reset();
    once(pass, tensors);
    first.data.forEach((value, i) => {
      expect(place.gradients.data[i]).toBeCloseTo(2 * value, 12);
    });
  });

  it.each([
    ['reference', () => referenceKernels('f32')],
    ['simd', () => simdKernels()],
  ] as [string, () => Kernels][])(
    'training/C4: memory is used again, and what was there does not show (%s)',
    (_, make) => {
      const kernels = make();
      const { place, tensors } = placed({ x: [2, 3], w: [5, 3] });
      const f32 = (t: Tensor) => {
        const copy = kernels.empty(t.shape);
        copy.data.set(t.data);
        return copy;
      };
      const own = { values: f32(place.values), gradients: f32(place.gradients) };
      const [x, w] = [tensors.x, tensors.w].map(
        (t) =>
          new (t.constructor as typeof Tensor)(
            own.values.data.subarray(t.data.byteOffset / 8, t.data.byteOffset / 8 + t.data.length),
            t.shape,
          ),
      ) as [Tensor, Tensor];
      const pass = trainingPass(kernels, own);
      const y = once(pass, { x, w });
      const [address, result] = [y.data.byteOffset, [...y.data]];
      const gradients = [...own.gradients.data];
      expect(pass.activations).toBe(16);
      y.data.fill(Number.NaN);
      pass.gradient(y).data.fill(Number.NaN);
      own.gradients.data.fill(0);
      pass.reset();
      const again = once(pass, { x, w });
      expect([again.data.byteOffset, again.data.buffer === y.data.buffer]).toEqual([address, true]);
      expect([...again.data]).toEqual(result);
      expect([...own.gradients.data]).toEqual(gradients);
      pass.free();
    },
  );

  it('training/C4: a pass that outgrows its first block is laid out in one block from the second on', () => {
    const kernels = referenceKernels('f32');
    const pass = trainingPass(kernels, placed({ x: [1, 1] }).place);
    const run = () => [900_000, 900_000, 10].map((n) => pass.kernels.empty([n]));
    const [a, b] = run();
    expect(a!.data.buffer).not.toBe(b!.data.buffer);
    pass.reset();
    const buffers = new Set(run().map((t) => t.data.buffer));
    expect(buffers.size).toBe(1);
    expect(() => pass.gradient(tensorOf('f32', [1], [1]))).toThrow(/training\/C2/);
  });
});
