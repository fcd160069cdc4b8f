import { describe, expect, it } from 'vitest';
import { threadsToStart, useFastest } from '../../cli/threads.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { hamburgerOf, smallConfig } from '../helpers/models.ts';

describe('threads where the user names no number', () => {
  it('a model whose largest product is soon done gets none to help', () => {
    expect(threadsToStart({ ...smallConfig, vocabSize: 512, hiddenSize: 128 }, 1)).toBe(1);
  });

  it('rows that go through it together make a small one large', () => {
    const small = { ...smallConfig, vocabSize: 512, hiddenSize: 128 };
    expect(threadsToStart(small, 32)).toBe(threadsToStart({ ...small, vocabSize: 32 * 512 }, 1));
  });

  it('a large one gets those of the machine, but not dozens', () => {
    const count = threadsToStart({ ...smallConfig, vocabSize: 32000, hiddenSize: 288 }, 1);
    expect(count).toBeGreaterThanOrEqual(1);
    expect(count).toBeLessThanOrEqual(8);
  });

  it('the number that is used is one of those started, and the results stay the same', () => {
    const kernels = simdKernels({ threads: 3 });
    const model = hamburgerOf(smallConfig, 'f32', undefined, kernels);
    const { matmulNT } = kernels;
    // Slower the more take part: on such a machine one thread is best.
    let taking = 3;
    const slow = {
      ...kernels,
      useThreads(count: number) {
        taking = count;
        kernels.useThreads(count);
      },
      matmulNT(...operands: Parameters<typeof matmulNT>) {
        const until = performance.now() + taking;
        while (performance.now() < until);
        matmulNT(...operands);
      },
    };
    expect(useFastest(slow, model, 1)).toBe(1);
    expect(taking).toBe(1);
    // Faster the more take part.
    const fast = {
      ...slow,
      threads: 3,
      matmulNT(...operands: Parameters<typeof matmulNT>) {
        const until = performance.now() + 4 - taking;
        while (performance.now() < until);
        matmulNT(...operands);
      },
    };
    expect(useFastest(fast, model, 5)).toBe(3);
    expect(taking).toBe(3);
    kernels.close();
  });
});
