import fc from 'fast-check';
import realNdarray from 'ndarray';
import realOperations from 'ndarray-ops';
import { describe, expect, it } from 'vitest';
import { ndarray, operations } from '../../web/ndarray.ts';

const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 });

/** Row-major elements 0, 1, 2, ... */
const numbers = (shape: readonly number[]) =>
  Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i);

describe('what stands in for ndarray in a page', () => {
  it('has the views of the package: strides, transposed axes, picked indices, elements', () => {
    fc.assert(
      fc.property(shapes, fc.infiniteStream(fc.nat()), (shape, picks) => {
        const [ours, theirs] = [ndarray(numbers(shape), shape), realNdarray(numbers(shape), [...shape])];
        const axes = shape.map((_, axis) => axis).reverse();
        const index = shape.map((n) => (picks.next().value! % (n + 1)) - 1).map((i) => (i < 0 ? null : i));
        for (const [a, b] of [
          [ours, theirs],
          [ours.transpose(...axes), theirs.transpose(...axes)],
          [ours.pick(...index), theirs.pick(...(index as number[]))],
        ] as const) {
          expect([...a.shape]).toEqual([...b.shape]);
          // A stride of an axis of one element is never used.
          expect(a.stride.filter((_, axis) => a.shape[axis]! > 1)).toEqual(
            b.stride.filter((_, axis) => b.shape[axis]! > 1),
          );
          expect(a.offset).toBe(b.offset);
        }
        const at = shape.map((n) => picks.next().value! % n);
        expect(ours.get(...at)).toBe(theirs.get(...at));
        ours.set(...at, -1);
        theirs.set(...at, -1);
        expect(ours.data).toEqual(theirs.data);
      }),
    );
  });

  it('assigns, adds and multiplies as the package does, rounding to the elements stored', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true }), { minLength: 6, maxLength: 6 }), (values) => {
        const make = () => [0, 1, 2].map((k) => Float32Array.from(values, (value) => value * (k + 1)));
        const run = (results: Float32Array[], of: typeof ndarray, by: typeof operations) => {
          const [a, b, c] = results.map((data) => of(data, [2, 3]));
          by.add(a!, b!, c!);
          by.mul(b!, a!, c!);
          by.assign(of(results[2]!, [3, 2]), of(results[0]!, [2, 3]).transpose(1, 0));
          return results;
        };
        const theirs = run(
          make(),
          realNdarray as unknown as typeof ndarray,
          realOperations as unknown as typeof operations,
        );
        expect(run(make(), ndarray, operations)).toEqual(theirs);
      }),
    );
  });
});
