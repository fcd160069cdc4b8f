/** Everything that is fuzzed. */

import type { Target } from './target.ts';
import { argumentTargets } from './targets/arguments.ts';
import { fileTargets } from './targets/files.ts';
import { jsonTargets } from './targets/json.ts';
import { kitTargets } from './targets/kit.ts';
import { textTargets } from './targets/text.ts';

export const targets: readonly Target[] = [
  ...jsonTargets,
  ...fileTargets,
  ...textTargets,
  ...kitTargets,
  ...argumentTargets,
];
