/** Readers of JSON: the parser itself, and what has a schema. */

import { readFileSync } from 'node:fs';
import { configJson, parseConfig } from '../../../lib/checkpoint/config-file.ts';
import { decodeUtf8, parseJson, parseJsonMembers } from '../../../lib/checkpoint/json.ts';
import { parsePairs, parsePrompts } from '../../../lib/checkpoint/pairs-file.ts';
import { parseTraceDescription } from '../../../lib/conformance/trace-description.ts';
import { parseEvaluationReport } from '../../../lib/evaluate/report.ts';
import { parameterCount } from '../../../lib/model/cost.ts';
import { parameters } from '../../../lib/model/weights.ts';
import { parseRecipe } from '../../../lib/train/recipe.ts';
import { parseStoredRun } from '../../../lib/train/run-state.ts';
import { tiedConfig, untiedConfig } from '../../helpers/checkpoint-contents.ts';
import { graftJson, pretrainJson } from '../../helpers/recipes.ts';
import { type Input, inputOf } from '../input.ts';
import { must, type Target } from '../target.ts';

const textOf = (input: Input, name: string): string => decodeUtf8(input[name] ?? new Uint8Array(0), name);
const valueIn = (input: Input, name: string): unknown => parseJson(textOf(input, name), name);
const file = (path: string): Uint8Array => readFileSync(new URL(`../../../${path}`, import.meta.url));

/** The report of the toy, with one result. */
function shortReport(): unknown {
  const text = new TextDecoder().decode(file('fixtures/toy-training/report/report.json'));
  const report = JSON.parse(text) as { results: unknown[]; timing: { speeds: unknown[] } };
  return {
    ...report,
    results: report.results.slice(0, 1),
    timing: { ...report.timing, speeds: report.timing.speeds.slice(0, 1) },
  };
}

const llama3 = {
  ...(configJson(untiedConfig, 'BF16') as object),
  rope_scaling: {
    rope_type: 'llama3',
    factor: 32,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  },
};

export const jsonTargets: readonly Target[] = [
  {
    name: 'json',
    share: 200,
    seeds: () => [
      inputOf({ 'value.json': '{"a": [1, -2.5e-3, true, null, "x\\u00e9\\n"], "b": {"c": {}}, "": []}' }),
      inputOf({ 'value.json': '[[[[]]], "\\ud83d\\ude00", 0, {"0": 1, "1": 2}]' }),
      inputOf({ 'value.json': configJson(tiedConfig, 'F32') }),
    ],
    run(input) {
      const text = textOf(input, 'value.json');
      const value = parseJson(text, 'value.json');
      must(JSON.stringify(value) === JSON.stringify(JSON.parse(text)), 'another value than JSON.parse');
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
      const members = parseJsonMembers(text, 'value.json');
      must(members.size === Object.keys(value).length, 'members that are not those of the object');
    },
  },
  {
    name: 'config',
    share: 60,
    seeds: () => [
      inputOf({
        'config.json': configJson(tiedConfig, 'F32'),
        'generation_config.json': { eos_token_id: [2, 3] },
      }),
      inputOf({ 'config.json': configJson(untiedConfig, 'BF16'), 'generation_config.json': {} }),
      inputOf({ 'config.json': llama3, 'generation_config.json': { bos_token_id: 1, eos_token_id: 2 } }),
    ],
    run(input) {
      const generation =
        input['generation_config.json'] === undefined ? undefined : valueIn(input, 'generation_config.json');
      const config = parseConfig(valueIn(input, 'config.json'), 'config.json', generation);
      const again = parseConfig(JSON.parse(JSON.stringify(configJson(config, 'F32'))), 'again');
      must(JSON.stringify(again) === JSON.stringify(config), 'a configuration that does not come back');
      parameters(config);
      parameterCount(config);
    },
  },
  {
    name: 'recipe',
    share: 80,
    seeds: () => [
      inputOf({ 'recipe.json': pretrainJson() }),
      inputOf({ 'recipe.json': graftJson() }),
      inputOf({ 'recipe.json': file('fixtures/toy-training/toy.json') }),
    ],
    run(input) {
      parseRecipe(valueIn(input, 'recipe.json'), 'recipe.json');
    },
  },
  {
    name: 'lines',
    share: 110,
    seeds: () => [
      inputOf({
        'data.jsonl':
          '{"prompt": "a", "response": "b"}\n{"prompt": "", "response": "c"}\n\n{"prompt": "d", "response": "", "id": 1, "check": {"x": [1]}}\n',
      }),
      inputOf({ 'data.jsonl': '{"prompt":"é😀","response":"\\u0000"}' }),
    ],
    run(input) {
      const text = textOf(input, 'data.jsonl');
      const pairs = parsePairs(text, 'data.jsonl');
      must(pairs.length <= text.split('\n').length, 'more pairs than lines');
      parsePrompts(text, 'data.jsonl');
    },
  },
  {
    name: 'evaluation-report',
    share: 25,
    seeds: () => [inputOf({ 'report.json': shortReport() })],
    run(input) {
      parseEvaluationReport(valueIn(input, 'report.json'), 'report.json');
    },
  },
  {
    name: 'trace-description',
    share: 70,
    seeds: () => [
      inputOf({
        'run.json': {
          prompt_ids: [1, 2],
          macro_steps: [{ tokens: [{ id: 3, probability: 0.5 }, { id: 4 }], end: 'eos' }],
          settings: {},
          tensors: [],
        },
      }),
    ],
    run(input) {
      parseTraceDescription(valueIn(input, 'run.json'), 'run.json');
    },
  },
  {
    name: 'run-state',
    share: 50,
    seeds: () => [
      inputOf({
        'state.json': { recipe: pretrainJson(), inputs: 'abc', step: 3, evaluated: -1, log_bytes: 10 },
      }),
    ],
    run(input) {
      parseStoredRun(valueIn(input, 'state.json'), new Map(), 'state.json');
    },
  },
];
