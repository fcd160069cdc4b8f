/**
 * `hamburger conform`: whether another implementation computes what SPEC says, and where it first does not.
 *
 * @module
 */

import type { Command } from 'commander';
import { addConformCheck } from '../conform/check.ts';
import { addConformDoctor } from '../conform/doctor.ts';
import { addConformMake } from '../conform/make.ts';
import { addConformRun } from '../conform/run.ts';
import { addConformTrace } from '../conform/trace.ts';
import { addConformVerify } from '../conform/verify.ts';
import type { Context } from '../context.ts';
import { examples } from '../options.ts';

export function addConform(program: Command, context: Context): void {
  const conform = program
    .command('conform')
    .summary('judge another implementation')
    .description(
      'Judges what another implementation of HAMburger, a port, computed, and shows where it first went wrong and why. The kit of cases comes with the package: ' +
        'its INTERPRETING.md says how a port is asked, and what it has to answer.',
    );
  addConformRun(conform, context);
  addConformCheck(conform, context);
  addConformDoctor(conform, context);
  addConformTrace(conform, context);
  addConformVerify(conform, context);
  addConformMake(conform, context);
  conform.addHelpText(
    'after',
    examples(
      'hamburger conform run -- python3 fixtures/harnesses/numpy/harness.py',
      'hamburger conform check results',
      'hamburger conform trace run.safetensors',
    ),
  );
}
