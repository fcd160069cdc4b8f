import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  checkModelFolder,
  readCompanions,
  readJson,
  readJsonIfPresent,
  readTextIfPresent,
} from '../../lib/checkpoint/folder-files.ts';
import { faultOf, folderOf } from '../helpers/checkpoint-folders.ts';

describe('the small files of a folder', () => {
  it('are read, and undefined where they are missing', () => {
    const folder = folderOf({ 'a.json': { x: [1] }, 'b.txt': 'é\n' });
    expect(readJsonIfPresent(folder, 'a.json')).toEqual({ x: [1] });
    expect(readTextIfPresent(folder, 'b.txt')).toBe('é\n');
    expect(readJsonIfPresent(folder, 'c.json')).toBeUndefined();
    expect(readTextIfPresent(folder, 'c.txt')).toBeUndefined();
  });

  it('are not read into memory when they are far too large for what they should be', () => {
    const path = join(folderOf({ 'config.json': '' }), 'config.json');
    // Takes no room: the system stores no blocks for it.
    truncateSync(path, 2 ** 28 + 1);
    expect(faultOf(() => readJson(path))).toEqual({
      subject: path,
      expected: 'at most 268435456 bytes',
      found: '268435457',
    });
  });

  it('are not what they are called when they are folders', () => {
    const folder = folderOf({ 'tokenizer.json/x': '' });
    expect(faultOf(() => readJsonIfPresent(folder, 'tokenizer.json'))).toMatchObject({ found: 'a folder' });
  });

  it('go along to another folder only if they are known', () => {
    const folder = folderOf({ 'tokenizer.json': '{ }', 'train.py': '', 'config.json': '{}' });
    expect([...readCompanions(folder)]).toEqual([['tokenizer.json', new TextEncoder().encode('{ }')]]);
  });

  it('a folder with config.json looks like a model', () => {
    expect(() => checkModelFolder(folderOf({ 'config.json': '' }))).not.toThrow();
    expect(faultOf(() => checkModelFolder(folderOf({}))).found).toBe('a folder without config.json');
  });
});
