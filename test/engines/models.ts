/** What the bundle carries, opened: the golden model and its run, and the toy checkpoint. Read as files are, only from memory. */

import { files } from 'probe-data';
import { bytesSource } from '../../lib/checkpoint/byte-source.ts';
import { parseConfig } from '../../lib/checkpoint/config-file.ts';
import { decodeUtf8, parseJson } from '../../lib/checkpoint/json.ts';
import { openSafetensors } from '../../lib/checkpoint/safetensors.ts';
import type { Kernels } from '../../lib/kernels/kernels.ts';
import { createModel, type Model } from '../../lib/model/model.ts';
import type { GoldenTeacher } from '../helpers/golden-trace.ts';
import { TEACHER } from './carried.ts';

function bytesOf(path: string): Uint8Array {
  const text = atob(files[path]!);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const jsonOf = (path: string) => parseJson(decodeUtf8(bytesOf(path), path), path);

/** Prompt and segments of the golden run. */
export const goldenTeacher = () => jsonOf(TEACHER) as GoldenTeacher;

/** Reads a model's files; the result puts its weights into the memory of any kernels. */
export function readModel(paths: { config: string; weights: string }): (kernels: Kernels) => Model {
  const config = parseConfig(jsonOf(paths.config), paths.config);
  const weights = openSafetensors(bytesSource(paths.weights, bytesOf(paths.weights)));
  return (kernels) =>
    createModel(config, kernels, (name, shape) => {
      const tensor = kernels.empty(shape);
      weights.readFloats(name, tensor.data);
      return tensor;
    });
}
