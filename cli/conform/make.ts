/**
 * `hamburger conform make`: new cases for any configuration; or the kit of the package, packed to be carried elsewhere.
 *
 * @module
 */

import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { createTarGzip } from 'nanotar';
import {
  CallerError,
  decodeUtf8,
  fillKit,
  KIT_FILE,
  type Kit,
  liveKit,
  openKit,
  parseConfig,
  parseJson,
  readWhole,
  writeFileAtomically,
  writeFolderAtomically,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { examples, integer, option } from '../options.ts';
import { shippedKit } from '../package-root.ts';

interface Options {
  readonly out: string;
  readonly config?: string;
  readonly seed?: string;
  readonly count?: number;
}

const ARCHIVE = '.tgz';
const DEFAULT_COUNT = 12;

export function addConformMake(conform: Command, context: Context): void {
  conform
    .command('make')
    .summary('make new cases, or pack the kit')
    .description(
      'With --config, makes a kit of new cases for a model of that configuration, with weights and tokens from the seed: nobody can have fitted a port to them. ' +
        `Without, packs the kit that comes with the package. OUT is a new folder, or a file that ends in ${ARCHIVE}.`,
    )
    .requiredOption('--out <path>', 'new folder, or archive')
    .optionsGroup('Options of new cases:')
    .addOption(
      option(
        '--config <file>',
        'config.json with the section "hamburger": of any size that fits the machine',
      ),
    )
    .addOption(option('--seed <text>', 'of weights and cases', (text: string) => text))
    .addOption(option('--count <n>', 'cases', integer(1)))
    .addHelpText(
      'after',
      examples(
        'hamburger conform make --out kit-1.1.0.tgz',
        'hamburger conform make --config my-model/config.json --seed today --count 12 --out live-kit',
        'hamburger conform run live-kit -- ./my-port --harness',
      ),
    )
    .action((options: Options) => make(context, options));
}

async function make(
  { output, interruptibly }: Context,
  { out, config, seed, count }: Options,
): Promise<void> {
  if (config === undefined) {
    if (seed !== undefined || count !== undefined) {
      throw new CallerError({
        subject: '--seed, --count',
        expected: '--config, for whose model cases are made',
        found: 'none',
      });
    }
    const kit = openKit(shippedKit());
    if (out.endsWith(ARCHIVE)) await pack(kit, out);
    else {
      writeFolderAtomically(out, { force: false, mayReplace: () => false }, (folder) => {
        for (const name of filesOf(kit)) copy(kit, name, folder);
      });
    }
    output.say(`${kit.cases.length} cases of kit ${kit.description.kit}: ${out}`);
    return;
  }
  if (out.endsWith(ARCHIVE)) {
    throw new CallerError({ subject: '--out', expected: 'a folder, for new cases', found: out });
  }
  const parsed = parseConfig(parseJson(decodeUtf8(readWhole(config), config), config), config);
  const contents = liveKit({ config: parsed, seed: seed ?? 'live', count: count ?? DEFAULT_COUNT });
  const progress = output.progress('making cases');
  let made = 0;
  try {
    writeFolderAtomically(out, { force: false, mayReplace: () => false, run: interruptibly }, (folder) => {
      const { suites } = fillKit(folder, contents, progress.update);
      made = Object.values(suites).reduce((sum, { cases }) => sum + cases.length, 0);
    });
  } finally {
    progress.stop();
  }
  const left = contents.drafts.length - made;
  output.say(
    `${made} cases: ${out}${left === 0 ? '' : `; ${left} left out, as honest arithmetic could come to other decisions`}`,
  );
}

const filesOf = (kit: Kit): string[] => [KIT_FILE, ...Object.keys(kit.description.files)];

/** Copies a file of a kit, its folders included. */
function copy(kit: Kit, name: string, folder: string): void {
  const target = join(folder, name);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(join(kit.root, name), target);
}

/** The same bytes for the same kit: names in order, no times, no owners. */
async function pack(kit: Kit, out: string): Promise<void> {
  const top = `kit-${kit.description.kit}`;
  const files = filesOf(kit).map((name) => ({
    name: `${top}/${name}`,
    data: new Uint8Array(readFileSync(join(kit.root, name))),
  }));
  const archive = await createTarGzip(files, { attrs: { mtime: 0, uid: 0, gid: 0, mode: '644' } });
  writeFileAtomically(out, (sink) => sink.write(archive));
}
