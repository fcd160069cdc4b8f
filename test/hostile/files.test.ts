/** Attacks by files and folders: each is made as a stranger would make it, and read by the reader that users have. */

import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createTarGzip } from 'nanotar';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openRunFolder } from '../../cli/run-folder.ts';
import { bytesSource } from '../../lib/checkpoint/byte-source.ts';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { configJson } from '../../lib/checkpoint/config-file.ts';
import { importHuggingFace } from '../../lib/checkpoint/import-hugging-face.ts';
import { importStateDict } from '../../lib/checkpoint/import-state-dict.ts';
import { MAX_JSON_DEPTH, parseJson } from '../../lib/checkpoint/json.ts';
import { openSafetensors } from '../../lib/checkpoint/safetensors.ts';
import { MAX_DUMP_BYTES, readAnswer } from '../../lib/kit/answers.ts';
import { fillKit } from '../../lib/kit/draft.ts';
import { KIT_FILE, openKit, sha256 } from '../../lib/kit/kit.ts';
import { liveKit } from '../../lib/kit/live.ts';
import { parseRecipe } from '../../lib/train/recipe.ts';
import { built } from '../cli/run.ts';
import {
  checkpointFiles,
  faultOf,
  folderOf,
  plainConfig,
  temporaryFolder,
  tensorFile,
  tensorsOf,
  tiedConfig,
  writeFolder,
} from '../helpers/checkpoint-folders.ts';
import { pretrainJson } from '../helpers/recipes.ts';

/** A safetensors file with this header; `length` is what its first bytes say. */
function withHeader(
  header: string,
  data = new Uint8Array(0),
  length = BigInt(Buffer.byteLength(header)),
): Uint8Array {
  const first = Buffer.alloc(8);
  first.writeBigUInt64LE(BigInt.asUintN(64, length));
  return new Uint8Array(Buffer.concat([first, Buffer.from(header), data]));
}

const opened = (bytes: Uint8Array) => openSafetensors(bytesSource('x', bytes));

/** Milliseconds of this thread that a call takes. */
function timeOf(call: () => unknown): number {
  const started = process.cpuUsage();
  call();
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1000;
}

describe('numbers in headers', () => {
  it.each([2n ** 63n, 2n ** 64n - 1n, 2n ** 53n, 100_000_001n])(
    'a header of length %s is refused before anything is read',
    (length) => {
      const bytes = withHeader('{}', undefined, length);
      const asked: number[] = [];
      const source = bytesSource('x', bytes);
      const watched = {
        ...source,
        read(offset: number, size: number) {
          asked.push(size);
          return source.read(offset, size);
        },
      };
      expect(faultOf(() => openSafetensors(watched)).found).toBe(`a length of ${length}`);
      expect(asked).toEqual([8]);
    },
  );

  it('a tensor of 2^40 elements in a file of 100 bytes is refused without memory for it', () => {
    for (const shape of [[2 ** 40], [2 ** 20, 2 ** 20], [2 ** 40, 0]]) {
      const header = JSON.stringify({ a: { dtype: 'F32', shape, data_offsets: [0, 4] } });
      const bytes = withHeader(header.padEnd(88), new Uint8Array(4));
      expect(bytes.length).toBe(100);
      const before = process.memoryUsage().arrayBuffers;
      expect(faultOf(() => opened(bytes)).subject).toContain('tensor "a"');
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
    }
  });

  it('a configuration of the largest sizes, with a file of a few bytes, is refused without memory for them', () => {
    const size = 1 << 17;
    const config = {
      ...configJson({ ...plainConfig, vocabSize: 1 << 22, hiddenSize: size, intermediateSize: size }, 'F32'),
    };
    const folder = folderOf({ 'config.json': config, 'model.safetensors': tensorFile({}) });
    expect(timeOf(() => faultOf(() => openCheckpoint(folder)))).toBeLessThan(1000);
  });
});

describe('JSON', () => {
  const depth = 100_000;
  it.each([
    ['lists', '['.repeat(depth) + ']'.repeat(depth)],
    ['objects', `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`],
    ['lists that do not end', '['.repeat(depth)],
  ])('100,000 %s in each other are refused', (_, text) => {
    const { expected } = faultOf(() => parseJson(text, 'x'));
    expect(expected).toBe(`nesting of at most ${MAX_JSON_DEPTH} levels`);
    // Also where the text is a part of another file.
    expect(faultOf(() => opened(withHeader(`{"a":${text}}`))).expected).toBe(expected);
    const folder = folderOf({ ...checkpointFiles(tiedConfig), 'tokenizer.json': text });
    expect(faultOf(() => openCheckpoint(folder)).expected).toBe(expected);
  });

  it.each([
    ['{"a": 1, "a": 2}', 'a second "a"'],
    ['{"a": 1, "\\u0061": 2}', 'a second "a"'],
    ['{"x": {"__proto__": {"polluted": 1}}}', '"__proto__"'],
    ['{"__pr\\u006fto__": {"polluted": 1}}', '"__proto__"'],
  ])('%s is refused wherever JSON is read, and no prototype changes', (text, found) => {
    const before = Reflect.ownKeys(Object.prototype).length;
    expect(faultOf(() => parseJson(text, 'x')).found).toBe(found);
    expect(faultOf(() => opened(withHeader(text))).found).toBe(found);
    for (const file of ['config.json', 'tokenizer.json', 'generation_config.json', 'tokenizer_config.json']) {
      const folder = folderOf({ ...checkpointFiles(tiedConfig), 'tokenizer.json': {}, [file]: text });
      expect(faultOf(() => openCheckpoint(folder)).found, file).toBe(found);
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Reflect.ownKeys(Object.prototype).length).toBe(before);
  });

  it('a key that objects have by themselves is one like others: unknown', () => {
    for (const key of ['constructor', 'toString', 'hasOwnProperty']) {
      expect(faultOf(() => parseRecipe({ ...pretrainJson(), [key]: 1 }, 'recipe')).subject).toBe(
        `recipe: ${key}`,
      );
    }
  });
});

describe('names that lead elsewhere', () => {
  const shard = 'model-00001-of-00001.safetensors';
  const sharded = (name: string) => {
    const root = temporaryFolder();
    const folder = join(root, 'model');
    const tensors = tensorsOf(tiedConfig);
    writeFolder(root, { [shard]: tensorFile(tensors) });
    writeFolder(folder, {
      'config.json': configJson(tiedConfig, 'F32'),
      [shard]: tensorFile(tensors),
      'model.safetensors.index.json': {
        weight_map: Object.fromEntries(Object.keys(tensors).map((tensor) => [tensor, name])),
      },
    });
    return folder;
  };

  it('checkpoint/C5: a shard of a plain name is read', () => {
    openCheckpoint(sharded(shard)).close();
  });

  it.each([
    `../${shard}`,
    `./${shard}`,
    `../model/${shard}`,
    `/etc/${shard}`,
    `..\\${shard}`,
    `C:\\${shard}`,
    '..',
    '',
    'a\0b',
    `.${shard}`,
  ])('checkpoint/C5: the shard %j is refused, whether or not it is there', (name) => {
    const { rule, found } = faultOf(() => openCheckpoint(sharded(name)));
    expect({ rule, found }).toEqual({
      rule: 'checkpoint/C5',
      found: JSON.stringify(name).replace('\\u0000', '\\u0000'),
    });
  });

  const config = {
    ...tiedConfig,
    numHiddenLayers: 1,
    hamburger: { ...tiedConfig.hamburger!, featureLayerIndices: [0] },
  };
  const original = mkdtempSync(join(tmpdir(), 'hamburger-kit-'));
  beforeAll(() => void fillKit(original, liveKit({ config, seed: 'x', count: 1 })));
  afterAll(() => rmSync(original, { recursive: true }));

  /** A small kit, `kit.json` of which is changed. */
  function kitWith(
    change: (description: {
      suites: Record<string, { cases: string[] }>;
      files: Record<string, unknown>;
    }) => void,
  ): string {
    const root = temporaryFolder();
    const kit = join(root, 'kit');
    cpSync(original, kit, { recursive: true });
    const path = join(kit, KIT_FILE);
    const description = JSON.parse(readFileSync(path, 'utf8'));
    change(description);
    writeFileSync(path, JSON.stringify(description));
    return kit;
  }

  it.each(['../secret', '/etc/passwd', 'cases/../../secret', '.hidden', 'a//b', 'C:\\x'])(
    'a kit that lists the file %j is refused',
    (name) => {
      const kit = kitWith((description) => {
        description.files[name] = { bytes: 6, sha256: sha256(Buffer.from('secret')) };
      });
      writeFileSync(join(dirname(kit), 'secret'), 'secret');
      expect(faultOf(() => openKit(kit)).subject).toContain('files');
    },
  );

  it.each(['../x', '../../secret', '/etc/passwd', 'A'])('a kit that lists the case %j is refused', (id) => {
    const kit = kitWith(({ suites }) => suites.live!.cases.push(id));
    expect(faultOf(() => openKit(kit)).subject).toContain('suites.live.cases');
  });

  it.each([
    '../dump.safetensors',
    '/etc/passwd',
    'a/../../dump.safetensors',
    '..',
    '..\\dump.safetensors',
    'C:\\dump.safetensors',
  ])('a port that names the dump %j is not followed', (dump) => {
    const root = folderOf({ 'dump.safetensors': tensorFile({}), 'case/result.json': { status: 'ok', dump } });
    const { answer, tensors } = readAnswer(join(root, 'case'));
    expect(answer).toMatchObject({
      status: 'errored',
      message: `the dump ${JSON.stringify(dump)} is not below the case's folder`,
    });
    expect(tensors.size).toBe(0);
  });

  it('a dump of more than a gigabyte is refused before it is read', () => {
    const root = folderOf({
      'result.json': { status: 'ok', dump: 'dump.safetensors' },
      'dump.safetensors': '',
    });
    // All of it a hole: it takes no room on the disk.
    truncateSync(join(root, 'dump.safetensors'), MAX_DUMP_BYTES + 1);
    expect(readAnswer(root).answer).toMatchObject({
      status: 'errored',
      message: `"dump.safetensors" has ${MAX_DUMP_BYTES + 1} bytes, more than ${MAX_DUMP_BYTES}`,
    });
  });
});

describe('checkpoint/C7: links out of the folder', () => {
  const secret = () => {
    const root = temporaryFolder();
    writeFileSync(join(root, 'secret.json'), '{"password": "hunter2"}');
    return root;
  };
  const linked = (name: string, target: string, files: Record<string, unknown>): string => {
    const folder = folderOf(files);
    rmSync(join(folder, name), { force: true });
    symlinkSync(target, join(folder, name));
    return folder;
  };
  const withText = {
    ...checkpointFiles(plainConfig),
    'tokenizer_config.json': {},
    'generation_config.json': {},
    'special_tokens_map.json': {},
  };

  it.each([
    'config.json',
    'generation_config.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'chat_template.jinja',
    'model.safetensors',
  ])('%s that is a link to another folder is refused, and what it leads to is not told', (name) => {
    const other = join(folderOf(checkpointFiles(plainConfig)), 'model.safetensors');
    const target = name === 'model.safetensors' ? other : join(secret(), 'secret.json');
    const folder = linked(name, target, withText);
    const fault = faultOf(() => openCheckpoint(folder));
    expect(fault).toMatchObject({ rule: 'checkpoint/C7', subject: join(folder, name) });
    expect(JSON.stringify(fault)).not.toContain('hunter2');
  });

  it('what is copied byte for byte into another folder is none either', () => {
    const folder = linked('special_tokens_map.json', join(secret(), 'secret.json'), withText);
    const out = join(temporaryFolder(), 'out');
    expect(faultOf(() => importHuggingFace({ model: folder, out, force: false })).rule).toBe('checkpoint/C7');
    const files = folderOf({
      'x.safetensors': tensorFile(tensorsOf(tiedConfig)),
      'config.json': configJson(tiedConfig, 'F32'),
    });
    const paths = { model: join(files, 'x.safetensors'), config: join(files, 'config.json') };
    expect(faultOf(() => importStateDict({ ...paths, tokenizer: folder, out, force: false })).rule).toBe(
      'checkpoint/C7',
    );
    expect(readdirSync(dirname(out))).toEqual([]);
  });

  it('a shard that is a link, and a link by way of a folder', () => {
    const tensors = tensorsOf(plainConfig);
    const outside = folderOf({ 'a.safetensors': tensorFile(tensors) });
    const map = Object.fromEntries(Object.keys(tensors).map((tensor) => [tensor, 'a.safetensors']));
    const folder = linked('a.safetensors', join(outside, 'a.safetensors'), {
      'config.json': configJson(plainConfig, 'F32'),
      'model.safetensors.index.json': { weight_map: map },
    });
    expect(faultOf(() => openCheckpoint(folder)).rule).toBe('checkpoint/C7');
  });

  it('a link within the folder, a folder that is a link, and the cache of Hugging Face are read', () => {
    const files = checkpointFiles(plainConfig);
    const inside = linked('model.safetensors', 'weights', {
      'config.json': files['config.json'],
      weights: files['model.safetensors'],
    });
    openCheckpoint(inside).close();
    const link = join(temporaryFolder(), 'link');
    symlinkSync(inside, link);
    openCheckpoint(link).close();
    const cache = folderOf({
      'blobs/abc': files['model.safetensors'],
      'snapshots/rev/config.json': files['config.json'],
    });
    symlinkSync('../../blobs/abc', join(cache, 'snapshots/rev/model.safetensors'));
    openCheckpoint(join(cache, 'snapshots/rev')).close();
    // But not what is elsewhere in the cache, or in a folder that is only called like it.
    mkdirSync(join(cache, 'other'));
    renameSync(join(cache, 'blobs/abc'), join(cache, 'other/abc'));
    rmSync(join(cache, 'snapshots/rev/model.safetensors'));
    symlinkSync('../../other/abc', join(cache, 'snapshots/rev/model.safetensors'));
    expect(faultOf(() => openCheckpoint(join(cache, 'snapshots/rev'))).rule).toBe('checkpoint/C7');
  });

  it('results of a port, and a kit, have none', () => {
    const outside = folderOf({
      'dump.safetensors': tensorFile({}),
      'result.json': { status: 'ok', value: 1 },
    });
    const result = linked('result.json', join(outside, 'result.json'), {});
    expect(readAnswer(result).answer).toMatchObject({
      status: 'errored',
      message: expect.stringContaining('checkpoint/C7'),
    });
    const dump = linked('dump.safetensors', join(outside, 'dump.safetensors'), {
      'result.json': { status: 'ok', dump: 'dump.safetensors' },
    });
    expect(readAnswer(dump).answer).toMatchObject({
      status: 'errored',
      message: expect.stringContaining('checkpoint/C7'),
    });
    const kit = linked(KIT_FILE, join(outside, 'result.json'), {});
    expect(faultOf(() => openKit(kit)).rule).toBe('checkpoint/C7');
  });

  it('nothing is written through a link in the folder of a run', () => {
    const root = temporaryFolder();
    writeFileSync(join(root, 'precious'), 'precious');
    for (const name of ['log.jsonl', 'curves.svg', 'snapshot.safetensors']) {
      const folder = linked(name, join(root, 'precious'), {});
      expect(faultOf(() => openRunFolder(folder, true, { recipe: {}, inputs: '' })).rule, name).toBe(
        'checkpoint/C7',
      );
    }
    expect(readFileSync(join(root, 'precious'), 'utf8')).toBe('precious');
  });
});

describe('archives', () => {
  it('are never unpacked: nothing of the package can', () => {
    const sources = ['lib', 'cli'].flatMap((folder) =>
      readdirSync(join(built, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.js'))
        .map((name) => readFileSync(join(built, folder, name), 'utf8')),
    );
    expect(sources.length).toBeGreaterThan(100);
    expect(
      sources.filter((code) => /parseTar|node:zlib|DecompressionStream|gunzip|inflate/.test(code)),
    ).toEqual([]);
  });

  it('one that expands 1000-fold, or holds ../, is no kit and no checkpoint, and nothing comes out of it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hamburger-archive-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const archive = await createTarGzip([
      { name: '../escaped', data: new Uint8Array(10) },
      { name: 'zeros', data: new Uint8Array(1 << 24) },
    ]);
    const path = join(folder, 'kit.tgz');
    writeFileSync(path, archive);
    expect((1 << 24) / archive.length).toBeGreaterThan(900);
    const before = process.memoryUsage().arrayBuffers;
    expect(faultOf(() => openKit(path)).subject).toContain('kit.tgz');
    expect(faultOf(() => openCheckpoint(path)).subject).toContain('kit.tgz');
    writeFileSync(join(folder, KIT_FILE), archive);
    expect(faultOf(() => openKit(folder)).found).toBe('bytes that are not UTF-8');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 22);
    expect(readdirSync(folder).sort()).toEqual([KIT_FILE, 'kit.tgz'].sort());
    expect(readdirSync(dirname(folder))).not.toContain('escaped');
  });
});
