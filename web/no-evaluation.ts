/**
 * Before anything else in the worker: schemas are interpreted and not compiled, which the page's content security policy forbids.
 *
 * @module
 */

import { z } from '../lib/schema.ts';

z.config({ jitless: true });
