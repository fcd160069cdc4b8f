/** The trained model of others that may lie beside the project, and is no part of it. */

import { fileURLToPath } from 'node:url';

/** Its folder, which tests that use it look for; they say so where they skip. */
export const realModel = fileURLToPath(new URL('../../../shared/real/tok105', import.meta.url));
