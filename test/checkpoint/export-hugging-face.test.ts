import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { exportHuggingFace } from '../../lib/checkpoint/export-hugging-face.ts';
import { importHuggingFace } from '../../lib/checkpoint/import-hugging-face.ts';
import { graft } from '../../lib/checkpoint/initialise.ts';
import { writeCheckpoint } from '../../lib/checkpoint/write-checkpoint.ts';
import {
  checkpointFiles,
  contentsOf,
  elementsOf,
  faultOf,
  folderOf,
  plainConfig,
  temporaryFolder,
  tensorsOf,
  tiedConfig,
  untiedConfig,
} from '../helpers/checkpoint-folders.ts';

describe('exporting the base', () => {
  it('has the names, the configuration and the bits of a plain Llama', () => {
    const out = join(temporaryFolder(), 'out');
    const report = exportHuggingFace({ checkpoint: folderOf(checkpointFiles(tiedConfig, 'BF16')), out });
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'));
    expect(config.architectures).toEqual(['LlamaForCausalLM']);
    expect(config).not.toHaveProperty('hamburger');
    const checkpoint = openCheckpoint(out);
    expect(checkpoint.tensors.map(({ name, dtype }) => [name, dtype])).toEqual(
      Object.keys(tensorsOf(plainConfig)).map((name) => [name, 'BF16']),
    );
    const into = new Float32Array(16 * 16);
    checkpoint.readTensor('model.layers.1.self_attn.o_proj.weight', into);
    checkpoint.close();
    expect(Array.from(into)).toEqual(elementsOf('model.model.layers.1.self_attn.o_proj.weight', [16, 16]));
    expect(report.config).toEqual(plainConfig);
    expect(report.dropped.map(({ name }) => name)).toEqual(
      Object.keys(tensorsOf(tiedConfig)).filter((name) => /^(comp_embedder|micro_step_decoder)\./.test(name)),
    );
  });

  it.each([
    ['tied', plainConfig],
    ['untied', untiedConfig],
  ])('undoes a graft, to the byte: %s', (_, config) => {
    const base = join(temporaryFolder(), 'base');
    const files = new Map([['chat_template.jinja', new TextEncoder().encode('x')]]);
    const tensor = (name: string, shape: readonly number[]) => Float64Array.from(elementsOf(name, shape));
    writeCheckpoint(base, { config, dtype: 'F16', tensor, files, generationConfig: { eos_token_id: 2 } });
    const [grafted, out] = [join(temporaryFolder(), 'grafted'), join(temporaryFolder(), 'out')];
    const opened = openCheckpoint(base);
    graft(opened, tiedConfig.hamburger!, 's', { out: grafted });
    opened.close();
    exportHuggingFace({ checkpoint: grafted, out });
    expect(contentsOf(out)).toEqual(contentsOf(base));
  });

  it('of a plain base changes nothing, and can be imported again', () => {
    const [out, back] = [join(temporaryFolder(), 'out'), join(temporaryFolder(), 'back')];
    const report = exportHuggingFace({ checkpoint: folderOf(checkpointFiles(untiedConfig)), out });
    importHuggingFace({ model: out, out: back });
    expect(report.dropped).toEqual([]);
    expect(contentsOf(back)).toEqual(contentsOf(out));
  });

  it('refuses a folder that is no checkpoint', () => {
    const checkpoint = temporaryFolder();
    const out = join(temporaryFolder(), 'out');
    expect(faultOf(() => exportHuggingFace({ checkpoint, out })).subject).toBe(checkpoint);
  });
});
