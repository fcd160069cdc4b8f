/**
 * A process that generates again and again on a tiny model, in every way that a caller can: to the end, broken off, refused, sampled, in batches. Prints what
 * memory it holds after the first generations, and after all of them, as one line of JSON.
 *
 * Usage: `node --expose-gc test/long-runs/process.mjs FIRST ALL KERNELS`
 */

const {
  baseOf,
  createModel,
  generate,
  generateBatch,
  initialiser,
  referenceKernels,
  samplingChoice,
  seededUniforms,
  simdKernels,
  teacherForced,
} = await import(
  `${process.env.HAMBURGER_BUILT ?? new URL('../../dist', import.meta.url).pathname}/lib/index.js`
);

const [first, all] = process.argv.slice(2, 4).map(Number);
const kernels = process.argv[4] === 'simd' ? simdKernels() : referenceKernels('f32');

const config = {
  vocabSize: 13,
  hiddenSize: 12,
  intermediateSize: 10,
  numHiddenLayers: 3,
  numAttentionHeads: 3,
  numKeyValueHeads: 1,
  maxPositionEmbeddings: 128,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: null,
  tieWordEmbeddings: false,
  bosTokenId: 1,
  eosTokenIds: [0],
  hamburger: { maxSteps: 4, numMergerHeads: 2, featureLayerIndices: [0, 2], numMicroLayers: 2 },
};
const values = initialiser('1', config, 0.5);
const model = createModel(config, kernels, (name, shape) => {
  const tensor = kernels.empty(shape);
  tensor.data.set(values(name, shape));
  return tensor;
});

/** One generation or a few, the n-th; how many they were. */
const ways = [
  (n) => {
    for (const _ of generate(model, { prompt: promptOf(n), maxTokens: 6, confidence: 0.5 }));
    return 1;
  },
  // Broken off while its first macro-step is on its way.
  (n) => {
    for (const _ of generate(model, { prompt: promptOf(n), maxTokens: 50, confidence: 0 })) break;
    return 1;
  },
  (n) => {
    const choice = samplingChoice({ temperature: 1, uniforms: seededUniforms(`${n}`) });
    for (const _ of generate(baseOf(model), {
      prompt: promptOf(n),
      maxTokens: 5,
      choice,
      probabilities: true,
    }));
    return 1;
  },
  // To the last position, now and then.
  (n) => {
    const maxPositions = n % 100 === 3 ? config.maxPositionEmbeddings : 30;
    const prompt = promptOf(n);
    for (const _ of generate(model, {
      prompt,
      maxTokens: 1000,
      maxPositions,
      confidence: 0,
      eosTokenIds: [],
    }));
    return 1;
  },
  // Refused.
  (n) => {
    try {
      for (const _ of generate(model, { prompt: [...promptOf(n), 99], maxTokens: 5 }));
    } catch {
      return 1;
    }
    throw new Error('expected an error');
  },
  (n) => {
    const requests = [0, 1, 2, 3].map((i) => ({
      prompt: promptOf(n + i),
      maxTokens: 2 + i,
      confidence: i / 4,
    }));
    let left = n % 2 === 0 ? 5 : Number.POSITIVE_INFINITY;
    for (const _ of generateBatch(model, requests, { places: 3 })) if (--left === 0) break;
    return 4;
  },
  (n) => {
    teacherForced(model, { prompt: promptOf(n), segments: [[1, 2], [3]] });
    return 1;
  },
];

/** Of every length from one to more than go through the layers at once. */
function promptOf(n) {
  return Array.from({ length: 1 + (n % 70 === 0 ? 69 : n % 9) }, (_, i) => 1 + ((n + i) % 12));
}

/** Bytes held, once what nobody needs is collected. */
async function memory() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  // Growing gives the memory of the kernels a new buffer, in which the next tensor lies.
  const space = kernels.workspace();
  const { byteLength } = space.empty([1]).data.buffer;
  space.free();
  return { rss, heapUsed, external, kernels: byteLength };
}

let done = 0;
let n = 0;
const until = (count) => {
  while (done < count) done += ways[n % ways.length](n++);
};
until(first);
const before = await memory();
until(all);
const after = await memory();
console.log(JSON.stringify({ generations: done, before, after }));
