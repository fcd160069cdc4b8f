/**
 * What a measurement was made on.
 *
 * @module
 */

import { availableParallelism, cpus } from 'node:os';

/** The machine, for reports. */
export function machine() {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown processor',
    cores: availableParallelism(),
    system: `${process.platform} ${process.arch}`,
    node: process.version,
  };
}
