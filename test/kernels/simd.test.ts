import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Kernels } from '../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { Commands } from '../../lib/kernels/simd/commands.ts';
import { Heap } from '../../lib/kernels/simd/heap.ts';
import { simdSupported } from '../../lib/kernels/simd/instantiate.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { webAssembly } from '../../lib/kernels/simd/webassembly.ts';
import { bf16ToNumber, numberToBf16Bits } from '../../lib/math/float.ts';
import { showShape, sizeOf, Tensor, tensorOf } from '../../lib/tensor/tensor.ts';
import { chunksDoneByHelpers, countsOf, FINISHED_INDEX, jobOf } from '../helpers/threads.ts';

const reference = referenceKernels('f32');
const simd = simdKernels();
const fixed = simdKernels({ fixedBytes: 1 << 24 });
// Every operation is shared, however small, so that chunks of every size come up, and more of them than there is work.
const two = simdKernels({ threads: 2, leastSharedWork: 0 });
const three = simdKernels({ threads: 3, leastSharedWork: 0 });
const options = { seed: 128, numRuns: 60 };

/** Numbers of every kind from a seed: far faster than one arbitrary per element. */
function numbers(seed: number, count: number, kind: 'ordinary' | 'mixed'): Float32Array {
  const values = new Float32Array(count);
  const bits = new Uint32Array(values.buffer);
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state ^ (state >>> 15)) >>> 0;
  };
  const special = [0, -0, Infinity, -Infinity, Number.NaN, 2 ** -149, -(2 ** -127), 3.4e38, 2 ** -126, 1];
  for (let i = 0; i < count; i++) {
    const choice = next() % 64;
    if (kind === 'mixed' && choice === 0) values[i] = special[next() % special.length]!;
    else if (kind === 'mixed' && choice < 4) bits[i] = next();
    else if (choice < 8) values[i] = (next() / 2 ** 31 - 1) * 2 ** -(next() % 149);
    else values[i] = (next() / 2 ** 31 - 1) * (1 << (next() % 8));
  }
  return values;
}

/** The first element whose bits differ; every NaN equals every NaN. */
function expectSame(kernel: string, got: Tensor, want: Tensor): void {
  expect(got.shape).toEqual(want.shape);
  const [elements, wanted] = [got.data, want.data];
  for (let i = 0; i < wanted.length; i++) {
    if (!Object.is(elements[i], wanted[i])) {
      throw new Error(
        `bits differ from reference: ${kernel} ${showShape(want.shape)} at index ${i}: got ${elements[i]} want ${wanted[i]}`,
      );
    }
  }
}

type Run = (kernels: Kernels, operands: Tensor[], out: Tensor) => void;

/** Runs a primitive on the same operands with the reference, and with simd on tensors inside and outside its memory. */
function compare(kernel: string, operands: readonly Tensor[], outShape: readonly number[], run: Run): void {
  // What was there before must not show, except where a strided result leaves gaps.
  const fresh = () => tensorOf('f32', outShape, Array(sizeOf(outShape)).fill(7.5));
  const want = fresh();
  run(reference, [...operands], want);
  for (const kernels of [simd, fixed, two, three]) {
    const space = kernels.workspace();
    const inside = (t: Tensor) => {
      const copy = space.empty(t.shape);
      copy.data.set(t.data);
      return copy;
    };
    const before = inside(tensorOf('f32', [16], Array(16).fill(3)));
    const got = inside(fresh());
    const after = inside(tensorOf('f32', [16], Array(16).fill(3)));
    run(space, operands.map(inside), got);
    expectSame(`${kernel} (inside)`, got, want);
    // Neighbours start at the next cache line; an overrun beyond that shows here.
    expect([...before.data, ...after.data]).toEqual(Array(32).fill(3));
    space.free();
  }
  const outside = fresh();
  run(simd, [...operands], outside);
  expectSame(`${kernel} (outside)`, outside, want);
  if (operands.length > 0) {
    const half = fresh();
    const first = simd.empty(operands[0]!.shape);
    first.data.set(operands[0]!.data);
    run(simd, [first, ...operands.slice(1)], half);
    expectSame(`${kernel} (in and outside)`, half, want);
  }
}

const kind = fc.constantFrom<'ordinary' | 'mixed'>('ordinary', 'mixed');
const K = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 700 }));
const dimension = fc.oneof(fc.constantFrom(1, 2), fc.integer({ min: 0, max: 41 }));

/** Tensors of the given shapes. */
function tensors(seed: number, of: 'ordinary' | 'mixed', ...shapes: number[][]): Tensor[] {
  return shapes.map((shape, i) =>
    tensorOf('f32', shape, numbers(seed + 7919 * i, sizeOf(shape), of) as ArrayLike<number>),
  );
}

/** How many leading entries of each row are visible: anything from none to all. */
function visibleOf(seed: number, rows: number, width: number): number[] {
  return Array.from({ length: rows }, (_, r) => ((seed >>> 3) * (r + 1) + r * 5) % (width + 1));
}

describe('simd kernels give the bits of the reference kernels', () => {
  it('has the SIMD that these tests are about', () => {
    expect(simdSupported()).toBe(true);
    expect([simd.name, simd.numerics, simd.round(0.1)]).toEqual(['simd', 'f32', Math.fround(0.1)]);
  });

  it('numerics/N3: matmulNT, for every length of the dot product, its tail included', () => {
    for (let length = 0; length <= 66; length++) {
      const operands = tensors(length, 'ordinary', [3, length], [5, length]);
      compare(`matmulNT K=${length}`, operands, [3, 5], (k, [a, b], out) =>
        k.matmulNT(a!.matrix(), b!.matrix(), out.matrix()),
      );
    }
  });

  it('matmulNT: more rows than go together, in blocks of equal size and what is left over', () => {
    const K = 9001;
    const [x, y] = tensors(9, 'ordinary', [19, K], [14, K]);
    for (const M of [7, 8, 9, 10, 15, 16, 17, 19]) {
      for (const N of [3, 14]) {
        compare(`matmulNT [${M}, ${K}] by [${N}, ${K}]`, [x!, y!], [M, N], (k, [a, b], out) =>
          k.matmulNT(a!.rows(0, M).matrix(), b!.rows(0, N).matrix(), out.matrix()),
        );
      }
    }
  });

  it('matmulNT: more columns than four streams go along, and what is left over', () => {
    const K = 9001;
    const [x, y] = tensors(10, 'ordinary', [3, K], [117, K]);
    for (const M of [1, 2, 3]) {
      for (const N of [48, 49, 64, 117]) {
        compare(`matmulNT [${M}, ${K}] by [${N}, ${K}]`, [x!, y!], [M, N], (k, [a, b], out) =>
          k.matmulNT(a!.rows(0, M).matrix(), b!.rows(0, N).matrix(), out.matrix()),
        );
      }
    }
  });

  it('matmulNT of one row, as in decoding: short rows and rows of several parts, with every tail', () => {
    for (let length = 150; length <= 340; length++) {
      const operands = tensors(length, 'ordinary', [1, length], [9, length]);
      compare(`matmulNT K=${length}`, operands, [1, 9], (k, [a, b], out) =>
        k.matmulNT(a!.matrix(), b!.matrix(), out.matrix()),
      );
    }
  });

  it('matmulNT: any number of rows and columns, blocks left over', () => {
    fc.assert(
      fc.property(fc.nat(), kind, dimension, dimension, K, (seed, of, M, N, length) => {
        const operands = tensors(seed, of, [M, length], [N, length]);
        compare(`matmulNT K=${length}`, operands, [M, N], (k, [a, b], out) =>
          k.matmulNT(a!.matrix(), b!.matrix(), out.matrix()),
        );
      }),
      options,
    );
  });

  it('matmulNT, matmulNN, matmulTN: strided heads and rows that start in the middle', () => {
    fc.assert(
      fc.property(fc.nat(), kind, dimension, dimension, fc.nat(70), (seed, of, M, N, size) => {
        const [a, b, w] = tensors(seed, of, [M + 2, 3, size], [N + 1, 2, size], [M, N]);
        compare(`matmulNT of heads [${M}, ${N}, ${size}]`, [a!, b!], [M, 2, N], (k, [x, y], out) =>
          k.matmulNT(x!.rows(2, M + 2).head(1), y!.rows(1, N + 1).head(1), out.head(1)),
        );
        compare(`matmulNN of heads [${M}, ${N}, ${size}]`, [w!, b!], [M, 3, size], (k, [x, y], out) =>
          k.matmulNN(x!.matrix(), y!.rows(1, N + 1).head(1), out.head(2)),
        );
        compare(`matmulTN of heads [${M}, ${N}, ${size}]`, [w!, a!], [N, 3, size], (k, [x, y], out) =>
          k.matmulTN(x!.matrix(), y!.rows(1, M + 1).head(1), out.head(2)),
        );
      }),
      options,
    );
  });

  it('numerics/N5: matmulNN, matmulTN', () => {
    fc.assert(
      fc.property(fc.nat(), kind, dimension, K, dimension, (seed, of, M, length, N) => {
        compare(
          `matmulNN K=${length}`,
          tensors(seed, of, [M, length], [length, N]),
          [M, N],
          (k, [a, b], out) => k.matmulNN(a!.matrix(), b!.matrix(), out.matrix()),
        );
        compare(
          `matmulTN K=${length}`,
          tensors(seed, of, [length, M], [length, N]),
          [M, N],
          (k, [a, b], out) => k.matmulTN(a!.matrix(), b!.matrix(), out.matrix()),
        );
      }),
      options,
    );
  });

  it('numerics/N10: addMatmulNN, addMatmulTN go on from what is there, in strided results too', () => {
    fc.assert(
      fc.property(fc.nat(), kind, dimension, K, dimension, (seed, of, M, length, N) => {
        const [a, b] = tensors(seed, of, [M, length], [length, N]);
        compare(`addMatmulNN K=${length}`, [a!, b!], [M, 2, N], (k, [x, y], out) =>
          k.addMatmulNN(x!.matrix(), y!.matrix(), out.head(1)),
        );
        const [c] = tensors(seed, of, [length, M]);
        compare(`addMatmulTN K=${length}`, [c!, b!], [M, 2, N], (k, [x, y], out) =>
          k.addMatmulTN(x!.matrix(), y!.matrix(), out.head(1)),
        );
      }),
      options,
    );
  });

  it('attention and its parts: all heads, groups of heads to a key, heads of any size; and their ways back', () => {
    const small = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(
        fc.tuple(fc.nat(), small, small, fc.nat(9), fc.nat(40), fc.nat(70)),
        kind,
        ([seed, group, Hkv, T, S, size], of) => {
          const H = group * Hkv;
          const [q, keys, w] = tensors(seed, of, [T, H, size], [S, Hkv, size], [H, T, S]);
          // As a cache with room for more entries gives them.
          const [k2, v2] = tensors(seed + 1, of, [S + 3, Hkv, size], [S + 3, Hkv, size]);
          const scale = numbers(seed, 1, of)[0]!;
          compare('attentionScores', [q!, keys!], [H, T, S], (k, [x, y], out) =>
            k.attentionScores(x!, y!, out),
          );
          const visible = visibleOf(seed, T, S);
          compare('attention', [q!, k2!, v2!], [T, H, size], (k, [x, y, z], out) => {
            const operands = { queries: x!, keys: y!, values: z!, visible };
            k.attention(operands, scale, k.empty([H, T, S]), out);
          });
          compare('attention, weights', [q!, k2!, v2!], [H, T, S], (k, [x, y, z], out) => {
            const operands = { queries: x!, keys: y!, values: z!, visible };
            k.attention(operands, scale, out, k.empty([T, H, size]));
          });
          compare('attention, weights that nobody reads', [q!, k2!, v2!], [T, H, size], (k, [x, y, z], out) =>
            k.attention({ queries: x!, keys: y!, values: z!, visible }, scale, null, out),
          );
          compare('addAttentionContext', [w!, keys!], [T, H, size], (k, [x, y], out) =>
            k.addAttentionContext(x!, y!, visible, out),
          );
          compare('addAttentionTransposed', [w!, q!], [S, Hkv, size], (k, [x, y], out) =>
            k.addAttentionTransposed(x!, y!, out),
          );
        },
      ),
      options,
    );
  });

  it('attention over so many entries that its weights need more room than there is at first', () => {
    const [H, S, size] = [8, 1500, 4];
    const operands = tensors(5, 'ordinary', [1, H, size], [S, H, size], [S, H, size]);
    compare('attention', operands, [1, H, size], (k, [x, y, z], out) =>
      k.attention({ queries: x!, keys: y!, values: z!, visible: [S] }, 0.5, null, out),
    );
  });

  it('attention of a single row over so many entries that values are fetched into the caches first: not one is lost, or read beyond', () => {
    const [H, Hkv, size] = [6, 3, 20];
    // Just below 2^18 bytes of values, and above: whole blocks of 64 rows, and up to 63 rows more.
    for (const S of [1092, 1093, 1152, 1153, 1154, 1155, 1215]) {
      const operands = tensors(S, 'ordinary', [1, H, size], [S, Hkv, size], [S, Hkv, size]);
      compare(`attention over ${S} entries`, operands, [1, H, size], (k, [x, y, z], out) =>
        k.attention({ queries: x!, keys: y!, values: z!, visible: [S] }, 0.5, null, out),
      );
    }
  });

  it('attention of a single row, as in decoding, over many entries', () => {
    const small = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(
        fc.tuple(fc.nat(), small, small, fc.nat(300), fc.nat(70), fc.nat(5)),
        kind,
        ([seed, group, Hkv, S, size, hidden], of) => {
          const H = group * Hkv;
          const [q, keys, values] = tensors(seed, of, [1, H, size], [S, Hkv, size], [S, Hkv, size]);
          const scale = numbers(seed, 1, of)[0]!;
          const visible = [Math.max(0, S - hidden)];
          for (const [what, shape] of [
            ['context', [1, H, size]],
            ['weights', [H, 1, S]],
          ] as const) {
            compare(`attention, ${what}`, [q!, keys!, values!], shape, (k, [x, y, z], out) => {
              const operands = { queries: x!, keys: y!, values: z!, visible };
              if (what === 'context') k.attention(operands, scale, null, out);
              else k.attention(operands, scale, out, k.empty([1, H, size]));
            });
          }
        },
      ),
      options,
    );
  });

  it('numerics/N4, rows: sums, sums of squares, maxima (NaN, signed zeros), sums of columns', () => {
    fc.assert(
      fc.property(fc.nat(), kind, dimension, K, (seed, of, rows, width) => {
        const [x, y] = tensors(seed, of, [rows, width], [rows, width]);
        const visible = visibleOf(seed, rows, width);
        compare(`rowSumsOfSquares width ${width}`, [x!], [rows], (k, [t], out) =>
          k.rowSumsOfSquares(t!, out),
        );
        compare(`rowDots width ${width}`, [x!, y!], [rows], (k, [t, u], out) => k.rowDots(t!, u!, out));
        compare(`rowSums width ${width}`, [x!], [rows], (k, [t], out) => k.rowSums(t!, visible, out));
        compare(`rowMaxima width ${width}`, [x!], [rows], (k, [t], out) => k.rowMaxima(t!, visible, out));
        compare(`columnSums rows ${rows}`, [x!], [width], (k, [t], out) => k.columnSums(t!, out));
      }),
      options,
    );
    for (const values of [
      [-0, 0],
      [0, -0],
      [-0, -0],
      [1, Number.NaN, 3],
      [-3, -2, -0, -1, -0, 0],
      [...Array(15).fill(-0), 0, ...Array(3).fill(-0)],
      [...Array(18).fill(-0), 0],
      Array(19).fill(-0),
      [...Array(17).fill(-5), Number.NaN],
    ]) {
      compare('rowMaxima', [tensorOf('f32', [1, values.length], values)], [1], (k, [t], out) =>
        k.rowMaxima(t!, [values.length], out),
      );
    }
  });

  it('rowArgmax: the first of equal ones and of +0 and -0, NaN wherever it stands, nothing but -Infinity', () => {
    fc.assert(
      fc.property(fc.nat(), kind, dimension, K, (seed, of, rows, width) => {
        if (width === 0) return;
        const [x] = tensors(seed, of, [rows, width]);
        // Few different numbers, each of them at many places.
        const signs = tensorOf('f32', [rows, width], x!.data.map(Math.sign));
        const never = tensorOf('f32', [rows, width], x!.data.fill(-Infinity));
        for (const t of [x!, signs, never]) {
          compare(`rowArgmax width ${width}`, [t], [rows], (k, [u], out) => k.rowArgmax(u!, out));
        }
      }),
      options,
    );
    for (const width of [1, 3, 4, 15, 16, 17, 33]) {
      for (let at = 0; at < width; at++) {
        const row = Array(width).fill(-2);
        for (const value of [-1, 0, Infinity, Number.NaN]) {
          row[at] = value;
          compare(
            `rowArgmax ${value} at ${at} of ${width}`,
            [tensorOf('f32', [1, width], row)],
            [1],
            (k, [t], out) => k.rowArgmax(t!, out),
          );
        }
      }
    }
  });

  it('elementwise primitives, with tails of less than four; a tensor of rank 1 is one row', () => {
    fc.assert(
      fc.property(fc.nat(), kind, dimension, dimension, fc.boolean(), (seed, of, rows, width, flat) => {
        const shape = flat ? [width] : [rows, width];
        const [x, y, row] = tensors(seed, of, shape, shape, [width]);
        const [column] = tensors(seed + 1, of, [flat ? 1 : rows]);
        const visible = visibleOf(seed, flat ? 1 : rows, width);
        const factor = numbers(seed, 1, of)[0]!;
        compare('add', [x!, y!], shape, (k, [a, b], out) => k.add(a!, b!, out));
        compare('multiply', [x!, y!], shape, (k, [a, b], out) => k.multiply(a!, b!, out));
        compare('scale', [x!], shape, (k, [a], out) => k.scale(a!, factor, out));
        compare('addRow', [x!, row!], shape, (k, [a, b], out) => k.addRow(a!, b!, out));
        compare('multiplyRow', [x!, row!], shape, (k, [a, b], out) => k.multiplyRow(a!, b!, out));
        compare('multiplyColumn', [x!, column!], shape, (k, [a, b], out) => k.multiplyColumn(a!, b!, out));
        compare('divideColumn', [x!, column!], shape, (k, [a, b], out) => k.divideColumn(a!, b!, out));
        compare('expDifferences', [x!, column!], shape, (k, [a, b], out) =>
          k.expDifferences(a!, b!, visible, out),
        );
        compare('softmax', [x!], shape, (k, [a], out) => k.softmax(a!, visible, out));
        const eps = Math.abs(factor);
        const rowsOf = [flat ? 1 : rows];
        compare('rmsNorm', [x!, row!], shape, (k, [a, b], out) =>
          k.rmsNorm(a!, b!, eps, k.empty(rowsOf), out),
        );
        // A row of no numbers has no mean.
        if (width > 0) {
          compare('rmsNorm, r', [x!, row!], rowsOf, (k, [a, b], out) =>
            k.rmsNorm(a!, b!, eps, out, k.empty(shape)),
          );
        }
        compare('gatedSilu', [x!, y!], shape, (k, [a, b], out) => k.gatedSilu(a!, b!, out));
        compare('subtractColumn', [x!, column!], shape, (k, [a, b], out) => k.subtractColumn(a!, b!, out));
        compare('addProduct', [x!, y!], shape, (k, [a, b], out) => k.addProduct(a!, b!, out));
        compare('silu', [x!], shape, (k, [a], out) => k.silu(a!, out));
        compare('siluGradient', [x!], shape, (k, [a], out) => k.siluGradient(a!, out));
        compare('sigmoid', [x!], shape, (k, [a], out) => k.sigmoid(a!, out));
      }),
      options,
    );
  });

  it('optimiser/C4: adamW, in values and both means', () => {
    const numbersOfStep = {
      keep: Math.fround(0.9),
      towards: Math.fround(0.1),
      secondDecay: Math.fround(0.999),
      secondShare: Math.fround(0.001),
      secondCorrection: Math.fround(0.3),
      eps: Math.fround(1e-8),
      size: Math.fround(0.01),
    };
    fc.assert(
      fc.property(fc.nat(), kind, fc.nat(41), (seed, of, n) => {
        for (const what of [0, 1, 2]) {
          compare(`adamW, result ${what}`, tensors(seed, of, [n], [n], [n], [n]), [n], (k, operands, out) => {
            const [w, g, m, v] = operands as [Tensor, Tensor, Tensor, Tensor];
            const copies = [w, m, v].map((t) => t.clone()) as [Tensor, Tensor, Tensor];
            const places = copies.map((t, i) => (i === what ? out : t)) as [Tensor, Tensor, Tensor];
            out.data.set(copies[what]!.data);
            k.adamW(places[0], g, places[1], places[2], numbersOfStep);
          });
        }
      }),
      options,
    );
  });

  it('elementwise primitives may write over their input', () => {
    const shape = [3, 7];
    const [x, row] = tensors(3, 'mixed', shape, [7]);
    const [column] = tensors(4, 'mixed', [3]);
    const over = (name: string, run: (k: Kernels, t: Tensor, other: Tensor) => void, other: Tensor) =>
      compare(`${name} in place`, [other], shape, (k, [o], out) => {
        out.data.set(x!.data);
        run(k, out, o!);
      });
    over('add', (k, t, o) => k.add(t, o, t), x!);
    over('multiply', (k, t, o) => k.multiply(o, t, t), x!);
    over('scale', (k, t) => k.scale(t, 3, t), x!);
    over('addRow', (k, t, o) => k.addRow(t, o, t), row!);
    over('multiplyRow', (k, t, o) => k.multiplyRow(t, o, t), row!);
    over('multiplyColumn', (k, t, o) => k.multiplyColumn(t, o, t), column!);
    over('subtractColumn', (k, t, o) => k.subtractColumn(t, o, t), column!);
    over('siluGradient', (k, t) => k.siluGradient(t, t), x!);
    over('divideColumn', (k, t, o) => k.divideColumn(t, o, t), column!);
    over('softmax', (k, t) => k.softmax(t, [7, 4, 1], t), x!);
    over('silu', (k, t) => k.silu(t, t), x!);
    over('gatedSilu, gate', (k, t, o) => k.gatedSilu(t, o, t), x!);
    over('gatedSilu, up', (k, t, o) => k.gatedSilu(o, t, t), x!);
    over('sigmoid', (k, t) => k.sigmoid(t, t), x!);
  });

  it('rope/C4: rotateHalves, halves that are no multiple of four', () => {
    fc.assert(
      fc.property(fc.nat(), kind, fc.nat(6), fc.nat(5), fc.nat(20), (seed, of, T, heads, half) => {
        const operands = tensors(seed, of, [T, heads, 2 * half], [T, half], [T, half]);
        compare('rotateHalves', operands, [T, heads, 2 * half], (k, [x, c, s], out) =>
          k.rotateHalves(x!, c!, s!, out),
        );
      }),
      options,
    );
  });

  it('numerics/N7: exp, silu and sigmoid over all exponents and where they overflow, vanish or get subnormal', () => {
    const values: number[] = [];
    const bits = new Uint32Array(1);
    const value = new Float32Array(bits.buffer);
    for (let i = 0; i < 2 ** 32; i += 1048573) {
      bits[0] = i;
      values.push(value[0]!);
    }
    for (const edge of [
      -0, 0, 88.72, -87.34, -103.28, -103.98, -300, 300, -745, -746, -760, -800, 710, 44.4, 709.8,
    ])
      for (let i = -3; i <= 3; i++) values.push(edge + (i * Math.abs(edge)) / 2 ** 23, -edge);
    const x = tensorOf('f32', [1, values.length], values);
    const zero = tensorOf('f32', [1], [0]);
    compare('expDifferences', [x, zero], x.shape, (k, [a, b], out) =>
      k.expDifferences(a!, b!, [values.length], out),
    );
    compare('silu', [x], x.shape, (k, [a], out) => k.silu(a!, out));
    compare('siluGradient', [x], x.shape, (k, [a], out) => k.siluGradient(a!, out));
    compare('sigmoid', [x], x.shape, (k, [a], out) => k.sigmoid(a!, out));
  });
});

describe('weights in bfloat16', () => {
  /** Bits of bfloat16 numbers of every kind: subnormal ones, signed zeros, and for `mixed` infinities and NaN. */
  function bits(seed: number, count: number, of: 'ordinary' | 'mixed'): Uint16Array {
    return Uint16Array.from(numbers(seed, count, of), (value) => numberToBf16Bits(value));
  }

  /** The same numbers three times: in bfloat16 within the memory of the kernels and outside of it, and in binary32. */
  function weights(kernels: Kernels, shape: number[], of: Uint16Array) {
    const inside = kernels.emptyBf16!(shape);
    (inside.stored as Uint16Array).set(of);
    const outside = new Tensor(of, shape);
    return { inside, outside, wide: tensorOf('f32', shape, Array.from(of, bf16ToNumber)) };
  }

  const sets = [simd, fixed, two, three];

  it('are widened exactly: every bit pattern there is', () => {
    const all = Uint16Array.from({ length: 1 << 16 }, (_, pattern) => pattern);
    for (const kernels of sets) {
      const { inside, wide } = weights(kernels, [256, 256], all);
      expectSame('widened in JavaScript', inside, wide);
      const out = kernels.empty([256, 256]);
      kernels.copyRows(inside, 0, 256, out, 0);
      expectSame('copyRows of bf16', out, wide);
    }
  });

  it('are copied row by row without touching the next row, whatever their width', () => {
    for (let width = 1; width <= 9; width++) {
      const { inside, wide } = weights(simd, [4, width], bits(width, 4 * width, 'ordinary'));
      const out = simd.empty([4, width]);
      out.data.fill(7.5);
      simd.copyRows(inside, 2, 3, out, 1);
      const rest = Array(width).fill(7.5);
      expect([...out.data], `width ${width}`).toEqual([...rest, ...wide.rows(2, 3).data, ...rest, ...rest]);
    }
  });

  it('give matmulNT the bits that the same numbers in binary32 give: any shape, every tail', () => {
    fc.assert(
      fc.property(fc.nat(), kind, dimension, dimension, K, (seed, of, M, N, length) => {
        const [a] = tensors(seed, of, [M, length]);
        const b = bits(seed + 1, N * length, of);
        const want = tensorOf('f32', [M, N], Array(M * N).fill(7.5));
        reference.matmulNT(a!.matrix(), weights(simd, [N, length], b).wide.matrix(), want.matrix());
        for (const kernels of sets) {
          const { inside, outside } = weights(kernels, [N, length], b);
          for (const weight of [inside, outside]) {
            const got = kernels.empty([M, N]);
            kernels.matmulNT(a!.matrix(), weight.matrix(), got.matrix());
            expectSame(`matmulNT of bf16, K=${length}`, got, want);
          }
        }
      }),
      options,
    );
  });

  it('give the products that begin a job together, and SwiGLU after them, the same bits', () => {
    const [x] = tensors(3, 'ordinary', [1, 67]);
    const [gate, up] = [bits(4, 41 * 67, 'ordinary'), bits(5, 41 * 67, 'ordinary')];
    const swiglu = (kernels: Kernels, [g, u]: readonly [Tensor, Tensor], input: Tensor): Tensor => {
      const out = [kernels.empty([1, 41]), kernels.empty([1, 41])] as const;
      kernels.matmulNT(input.matrix(), g.matrix(), out[0].matrix());
      kernels.matmulNT(input.matrix(), u.matrix(), out[1].matrix());
      kernels.gatedSilu(out[0], out[1], out[1]);
      return out[1];
    };
    const [wideGate, wideUp] = [gate, up].map((b) => weights(simd, [41, 67], b).wide);
    const want = swiglu(reference, [wideGate!, wideUp!], x!);
    for (const kernels of sets) {
      const input = kernels.empty([1, 67]);
      input.data.set(x!.data);
      const [g, u] = [gate, up].map((b) => weights(kernels, [41, 67], b).inside);
      expectSame('SwiGLU of bf16', swiglu(kernels, [g!, u!], input), want);
    }
  });

  it('are an input of every primitive: rows of them, heads, views, vectors', () => {
    const { inside, wide } = weights(simd, [6, 12], bits(9, 72, 'ordinary'));
    const [a] = tensors(10, 'ordinary', [6, 12]);
    const both = (run: (weight: Tensor) => Tensor) => expectSame('input in bf16', run(inside), run(wide));
    const into = (shape: number[], run: (out: Tensor) => void) => {
      const out = simd.empty(shape);
      out.data.fill(7.5);
      run(out);
      return out;
    };
    both((w) => into([6, 12], (out) => simd.add(a!, w, out)));
    both((w) => into([6, 12], (out) => simd.multiplyRow(a!, w.rows(2, 3).reshape([12]), out)));
    both((w) => into([2, 12], (out) => simd.copyRows(w.rows(1, 5), 2, 4, out, 0)));
    both((w) => into([6, 6], (out) => simd.matmulNT(w.matrix(), a!.matrix(), out.matrix())));
    both((w) =>
      into([6, 6], (out) => simd.addMatmulNN(a!.matrix(), w.reshape([12, 6]).matrix(), out.matrix())),
    );
    both((w) =>
      into([6, 6], (out) =>
        simd.matmulNT(a!.reshape([6, 3, 4]).head(1), w.reshape([6, 3, 4]).head(2), out.matrix()),
      ),
    );
  });

  it('are refused as a result, which would be lost with a copy', () => {
    const { inside, outside } = weights(simd, [2, 4], bits(1, 8, 'ordinary'));
    const [x] = tensors(2, 'ordinary', [2, 4]);
    for (const weight of [inside, outside]) {
      expect(() => simd.add(x!, x!, weight)).toThrow('a tensor that is not stored in bf16');
      expect(() =>
        simd.matmulNT(x!.matrix(), x!.matrix(), weight.rows(0, 2).reshape([2, 4]).matrix()),
      ).toThrow('a tensor that is not stored in bf16');
    }
  });
});

describe('what is put off', () => {
  it('is done in order before elements are looked at, however much there is of it', () => {
    const x = simd.empty([2, 3]);
    const held = x.data;
    held.fill(1);
    for (let i = 0; i < 1000; i++) {
      simd.scale(x, 2, x);
      simd.scale(x, 0.5, x);
      if (i % 100 === 0) simd.add(x, x, x);
    }
    simd.scale(x, 3, x);
    expect([...x.data]).toEqual(Array(6).fill(3 * 2 ** 10));
    expect(held).toBe(x.data);
  });

  it('is seen by every view: rows, other shapes, matrices, heads, single elements, copies', () => {
    const looks: readonly ((t: Tensor) => unknown)[] = [
      (t) => t.rows(1, 2).data[0],
      (t) => t.reshape([4, 1]).data[2],
      (t) => t.reshape([2, 2]).matrix().data[2],
      (t) => t.reshape([2, 2, 1]).head(0).data[2],
      (t) => t.get(1, 0),
      (t) => t.clone().data[2],
      (t) => t.transpose(1, 0).data[1],
    ];
    for (const look of looks) {
      const t = simd.empty([2, 2]);
      t.data.set([1, 2, 3, 4]);
      // Made before: views of a tensor are remembered.
      look(t);
      simd.scale(t, 10, t);
      expect(look(t), `${look}`).toBe(30);
    }
  });

  it('comes before what is written to a view afterwards', () => {
    const t = simd.empty([2]);
    t.data.fill(1);
    simd.scale(t, 10, t);
    t.set([0], 5);
    expect([...t.data]).toEqual([5, 10]);
  });

  it('keeps the counts of each call, also where there are more than there is room for', () => {
    const rows = 300;
    const calls = 12;
    const x = tensors(7, 'ordinary', [rows, 9])[0]!;
    const inside = simd.empty(x.shape);
    inside.data.set(x.data);
    const counts = (i: number) => Array.from({ length: rows }, (_, r) => ((r + i) % 9) + 1);
    const results = Array.from({ length: calls }, (_, i) => {
      const out = simd.empty(x.shape);
      simd.softmax(inside, counts(i), out);
      return out;
    });
    results.forEach((got, i) => {
      const want = reference.empty(x.shape);
      reference.softmax(x, counts(i), want);
      expectSame(`softmax, call ${i}`, got, want);
    });
  });

  it('is done before memory that was given back is used by others', () => {
    const kernels = simdKernels();
    const [kept, out] = [kernels.empty([64]), kernels.empty([64])];
    const space = kernels.workspace();
    const first = space.empty([64]);
    first.data.fill(1);
    kernels.add(first, first, kept);
    space.free();
    // At the place where `first` was.
    const outside = tensorOf('f32', [64], Array(64).fill(7));
    kernels.scale(outside, 1, out);
    expect([...kept.data]).toEqual(Array(64).fill(2));
    expect([...out.data]).toEqual(Array(64).fill(7));
  });

  it('is done by settle, and before the number of threads changes', () => {
    const kernels = simdKernels({ threads: 2 });
    const t = kernels.empty([64]);
    const elements = t.data;
    elements.fill(1);
    kernels.scale(t, 2, t);
    expect(elements[0]).toBe(1);
    kernels.settle();
    expect(elements[0]).toBe(2);
    kernels.scale(t, 2, t);
    kernels.useThreads(1);
    expect(elements[0]).toBe(4);
    kernels.scale(t, 2, t);
    kernels.close();
    expect(elements[0]).toBe(8);
  });

  it('is not done again when it was broken off', () => {
    const done: [number, number][] = [];
    let broken = true;
    const commands = new Commands(new Heap(webAssembly!, 1 << 16), (from, to) => {
      done.push([from, to]);
      if (broken) throw new Error('broken off');
    });
    commands.operations.scale(1, 2, 3, 4);
    expect(() => commands.settle()).toThrow('broken off');
    broken = false;
    commands.settle();
    expect(done).toHaveLength(1);
    commands.operations.scale(1, 2, 3, 4);
    commands.settle();
    expect(done[1]).toEqual(done[0]);
  });
});

describe('operations that threads do as one job', () => {
  /** Rows of the memory that all operations below read and write, of four elements each. */
  const ROWS = 100;
  type Rows = readonly [from: number, to: number];
  const apart = ([from, to]: Rows, [other, otherTo]: Rows) => to <= other || otherTo <= from;

  /** A product of one row with `4 * width` others, or an activation of `width` rows. */
  interface Operation {
    readonly product: boolean;
    readonly width: number;
    readonly x: number;
    readonly y: number;
    readonly out: number;
    /** Whether it is an activation of what the last two products wrote, as in SwiGLU. */
    readonly ofLast: boolean;
  }
  const place = fc.integer({ min: 0, max: ROWS - 12 });
  const operations: fc.Arbitrary<Operation[]> = fc.array(
    fc.record({
      product: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
      width: fc.integer({ min: 1, max: 3 }),
      x: place,
      y: place,
      out: place,
      ofLast: fc.boolean(),
    }),
    { minLength: 2, maxLength: 8 },
  );

  function perform(kernels: Kernels, memory: Tensor, given: readonly Operation[]): void {
    const row = (from: number, width: number) => memory.rows(from, from + width).reshape([1, 4 * width]);
    const products: Operation[] = [];
    for (const operation of given) {
      const { product, width, x, y, out, ofLast } = operation;
      const written: Rows = [out, out + width];
      if (product) {
        // What a product reads it does not write; what others read and write is not its business.
        if (!apart(written, [x, x + 1]) || !apart(written, [y, y + 4 * width])) continue;
        const b = memory.rows(y, y + 4 * width);
        kernels.matmulNT(memory.rows(x, x + 1).matrix(), b.matrix(), row(out, width).matrix());
        products.push(operation);
      } else {
        const [other, gate, up] = products.slice(-3);
        const fits = ofLast && up !== undefined && gate!.width === up.width;
        const [g, u, w] = fits ? [gate!.out, up.out, up.width] : [x, y, width];
        // Often over some of what a product before those two has written, a row before or behind.
        const over = other === undefined ? -1 : other.out + (out % 4) - 1;
        const to = fits && out % 2 === 0 && over >= 0 && over + w <= ROWS ? over : out;
        // Element by element: the same rows may be written over, but no others of what is read.
        const here: Rows = [to, to + w];
        if ([g, u].some((from) => from !== to && !apart(here, [from, from + w]))) continue;
        kernels.gatedSilu(row(g, w), row(u, w), row(to, w));
      }
    }
  }

  it('one after the other, whatever each of them reads of what others have written', () => {
    fc.assert(
      fc.property(fc.nat(), operations, (seed, given) => {
        const [start] = tensors(seed, 'ordinary', [ROWS, 4]);
        const want = reference.empty([ROWS, 4]);
        want.data.set(start!.data);
        perform(reference, want, given);
        for (const kernels of [simd, two, three]) {
          const space = kernels.workspace();
          const got = space.empty([ROWS, 4]);
          got.data.set(start!.data);
          perform(space, got, given);
          expectSame('a job', got, want);
          space.free();
        }
      }),
      { ...options, numRuns: 1000 },
    );
  });

  it('the products of SwiGLU and its activation, and those of attention, are one job each', () => {
    const kernels = simdKernels({ threads: 2, leastSharedWork: 0 });
    const [x, gate, up, out] = [
      [1, 8],
      [1, 16],
      [1, 16],
      [1, 16],
    ].map((shape) => kernels.empty(shape));
    const weights = kernels.empty([16, 8]);
    const jobs = (run: () => void): number => {
      run();
      kernels.settle();
      const [from, to] = jobOf(x!);
      return (to - from) / 128;
    };
    const product = (y: Tensor) => kernels.matmulNT(x!.matrix(), weights.matrix(), y.matrix());
    const swiglu = () => {
      product(gate!);
      product(up!);
      kernels.gatedSilu(gate!, up!, out!);
    };
    expect(jobs(swiglu)).toBe(3);
    expect(jobs(() => [gate!, up!, out!].forEach(product))).toBe(3);
    // The second product writes over what the first has written.
    expect(jobs(() => [gate!, gate!].forEach(product))).toBe(1);
    kernels.close();
  });
});

describe('copyRows', () => {
  it('copies some rows to others, of any rank', () => {
    fc.assert(
      fc.property(fc.nat(), kind, dimension, fc.nat(40), fc.nat(5), (seed, of, rows, width, before) => {
        const from = rows >> 1;
        const operands = tensors(seed, of, [rows, width, 1]);
        compare('copyRows', operands, [before + rows + 1, width, 1], (k, [x], out) =>
          k.copyRows(x!, from, rows, out, before),
        );
      }),
      options,
    );
  });

  it('rows that are not there, or of another width, are refused instead of reading or overwriting a neighbour', () => {
    const [x, out, wide] = [simd.empty([2, 3]), simd.empty([4, 3]), simd.empty([4, 5])];
    for (const copy of [
      () => simd.copyRows(x, 1, 3, out, 0),
      () => simd.copyRows(x, -1, 1, out, 0),
      () => simd.copyRows(x, 0, 2, out, 3),
      () => simd.copyRows(x, 0, 2, out, -1),
      () => simd.copyRows(x, 0, 2, wide, 0),
    ])
      expect(copy).toThrow(/copyRows/);
  });
});

describe('threads of the simd kernels', () => {
  it('do take part: a thread that never comes would leave all results right, and only be slow', async () => {
    const kernels = simdKernels({ threads: 2, leastSharedWork: 0 });
    const x = kernels.empty([1 << 16]);
    x.data.fill(0.5);
    kernels.silu(x, x);
    await expect.poll(() => chunksDoneByHelpers(x, 4)).toBe(4);
    kernels.close();
    kernels.silu(x, x);
    expect(x.data[0]).toBeGreaterThan(0);
  });

  it('an operation below the least shared work is done by the caller alone', () => {
    const kernels = simdKernels({ threads: 2, leastSharedWork: 1e9 });
    const x = kernels.empty([64]);
    Atomics.store(countsOf(x), FINISHED_INDEX, 17);
    kernels.silu(x, x);
    expect(Atomics.load(countsOf(x), FINISHED_INDEX)).toBe(17);
    kernels.close();
  });

  it('a number out of range, or threads where memory is not shared, are refused', () => {
    expect(() => simdKernels({ threads: 0 })).toThrow('threads: expected an integer from 1 to 64, found 0');
    expect(() => simdKernels({ threads: 1.5 })).toThrow(/threads/);
    expect(() => simdKernels({ threads: 65 })).toThrow(/threads/);
    expect(() => simdKernels({ threads: 2, fixedBytes: 1 << 20 })).toThrow(/threads that share memory/);
  });
});

describe('memory of the simd kernels', () => {
  it('a tensor made before the memory grew is still the same numbers, and is not copied', () => {
    const kernels = simdKernels();
    const old = kernels.empty([3]);
    old.data.set([1, 2, 3]);
    const { buffer } = old.data;
    const large = kernels.empty([1 << 23]);
    expect(large.data.buffer).not.toBe(buffer);
    kernels.add(old, old, old);
    expect([...old.data]).toEqual([2, 4, 6]);
    const out = kernels.empty([3]);
    kernels.scale(old, 2, out);
    expect([...out.data]).toEqual([4, 8, 12]);
  });

  it('a memory of fixed size says so when it is full, and works on', () => {
    const kernels = simdKernels({ fixedBytes: 1 << 16 });
    expect(() => kernels.empty([1 << 20])).toThrow(/fixed size/);
    const big = tensorOf('f32', [1 << 20], new Float32Array(1 << 20));
    expect(() => kernels.add(big, big, big)).toThrow(/fixed size/);
    const t = tensorOf('f32', [2], [1, 2]);
    kernels.add(t, t, t);
    expect([...t.data]).toEqual([2, 4]);
    expect(() => simdKernels({ fixedBytes: -1e9 })).toThrow(/fixedBytes/);
    expect(() => simdKernels({ fixedBytes: Number.NaN })).toThrow(/fixedBytes/);
  });

  it('operands of different lengths are refused instead of overwriting a neighbour', () => {
    expect(() => simd.add(simd.empty([4]), simd.empty([4]), simd.empty([5]))).toThrow(/add/);
    expect(() => simd.addRow(simd.empty([2, 4]), simd.empty([3]), simd.empty([2, 4]))).toThrow(/addRow/);
    expect(() => simd.silu(tensorOf('f64', [1], [1]), simd.empty([1]))).toThrow(/f32/);
    const entry = simd.empty([1, 1, 4]);
    const operands = { queries: entry, keys: entry, values: entry, visible: [1] };
    const [weights, shorter] = [simd.empty([1, 1, 1]), simd.empty([1, 1, 3])];
    expect(() => simd.attention(operands, 1, weights, shorter)).toThrow(/attention/);
    expect(() => simd.rmsNorm(entry, simd.empty([3]), 1, weights, entry)).toThrow(/rmsNorm/);
    expect(() => simd.gatedSilu(entry, shorter, entry)).toThrow(/gatedSilu/);
  });

  it('a workspace gives the very same tensors again after reset', () => {
    const space = simd.workspace();
    const first = [space.empty([2, 3]), space.empty([5])];
    space.reset();
    expect(space.empty([2, 3])).toBe(first[0]);
    expect(space.empty([5])).toBe(first[1]);
    space.free();
  });

  it('a workspace whose shapes change gives tensors that overlap no other of its tensors', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(300), { maxLength: 6 }), { minLength: 1, maxLength: 5 }),
        (rounds) => {
          const [one, two] = [simd.workspace(), simd.workspace()];
          for (const sizes of rounds) {
            const live: Tensor[] = [];
            for (const size of sizes) {
              for (const space of [one, two]) {
                const t = space.empty([size]);
                t.data.fill(live.length + 1);
                live.push(t);
              }
            }
            live.forEach((t, i) => {
              expect(t.data.every((value) => value === i + 1)).toBe(true);
            });
            one.reset();
            two.reset();
          }
          one.free();
          two.free();
        },
      ),
      options,
    );
  });

  it('what is freed is used again: a small fixed memory serves many workspaces one after the other', () => {
    const kernels = simdKernels({ fixedBytes: 1 << 16 });
    for (let i = 0; i < 100; i++) {
      const space = kernels.workspace();
      for (let j = 0; j < 5; j++) space.empty([1000 + 7 * ((i * j) % 13)]);
      space.free();
      expect(space.empty([2]).data.length).toBe(2);
      space.free();
    }
  });
});
