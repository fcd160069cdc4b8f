import { rmSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { exportHuggingFace } from '../../lib/checkpoint/export-hugging-face.ts';
import { importLlama2c } from '../../lib/checkpoint/import-llama2c.ts';
import { importHuggingFace } from '../../lib/checkpoint/import-hugging-face.ts';
import { initialiser, graft } from '../../lib/checkpoint/initialise.ts';
import { presets } from '../../lib/checkpoint/presets.ts';
import { writeCheckpoint } from '../../lib/checkpoint/write-checkpoint.ts';
import { byteTokenizerConfigJson, byteTokenizerJson } from '../../lib/text/byte-tokenizer.ts';
import { teacherForced } from '../../lib/decode/generate.ts';
import { baseOf } from '../../lib/model/model.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';

function logits(folder: string, name: string) {
  const c = openCheckpoint(folder);
  const ids = Array.from({ length: 40 }, (_, i) => (i * 37 + 5) % c.config.vocabSize);
  for (const n of ['f32', 'f64'] as const) {
    const model = baseOf(c.loadModel(referenceKernels(n)));
    const rows = teacherForced(model, { prompt: ids.slice(0, 1), segments: ids.slice(1).map((x) => [x]) });
    writeFileSync(`/tmp/exp/${name}.${n}.json`, JSON.stringify({ ids, logits: rows.map((r) => [...r[0]!.logits.data]) }));
  }
}
it('export', () => {
  const tiny = presets.get('tiny')!;
  const configs = {
    tied: tiny,
    untied: { ...tiny, tieWordEmbeddings: false, ropeTheta: 500, ropeScaling: { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings: 32 } },
  };
  for (const [name, config] of Object.entries(configs)) {
    const big = initialiser('seed', config);
    writeCheckpoint(`/tmp/exp/${name}`, { config, dtype: name === 'tied' ? 'BF16' : 'F32', tensor: (n, s) => big(n, s).map((x) => (n.includes('norm') ? x : x * 8)), tokenizer: { tokenizer: byteTokenizerJson(), tokenizerConfig: byteTokenizerConfigJson() } }, { force: true });
    const r = exportHuggingFace({ checkpoint: `/tmp/exp/${name}`, out: `/tmp/exp/${name}-hf`, force: true });
    console.log(r.dropped.length);
    logits(`/tmp/exp/${name}`, name);
  }
  const real = '../shared/real/tok105';
  importLlama2c({ model: `${real}/model.bin`, tokenizer: `${real}/tokenizer.bin`, out: '/tmp/exp/tok105', force: true });
  graft(openCheckpoint('/tmp/exp/tok105'), { maxSteps: 4, numMergerHeads: 8, featureLayerIndices: [2, 4], numMicroLayers: 2 }, 's', { out: '/tmp/exp/tok105g', force: true });
  exportHuggingFace({ checkpoint: '/tmp/exp/tok105g', out: '/tmp/exp/tok105-hf', force: true });
  logits('/tmp/exp/tok105g', 'tok105');
}, 600000);
