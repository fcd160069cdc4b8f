import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { readSnapshot, type Snapshot, writeSnapshot } from '../../lib/checkpoint/snapshot.ts';
import { CallerError, DataError } from '../../lib/errors.ts';
import { Tensor, tensorOf } from '../../lib/tensor/tensor.ts';
import { faultOf, temporaryFolder, tensorFile } from '../helpers/checkpoint-folders.ts';

/** How many bytes can be written. */
const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY }));

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const writeSync = (descriptor: number, bytes: Uint8Array, offset: number, length: number): number => {
    if (disk.room === 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    const written = fs.writeSync(descriptor, bytes, offset, Math.min(length, disk.room));
    disk.room -= written;
    return written;
  };
  return { ...fs, writeSync };
});

const snapshot: Snapshot = {
  state: { step: 3, name: 'ü\n' },
  tensors: new Map([
    ['a', tensorOf('f32', [2, 2], [1, -0, Number.NaN, 1e-45])],
    ['b', tensorOf('f64', [1], [0.1])],
    ['empty', tensorOf('f32', [0], [])],
  ]),
};

const written = (): string => {
  const path = join(temporaryFolder(), 'snapshot.safetensors');
  writeSnapshot(path, snapshot);
  return path;
};

const bits = ({ tensors }: Snapshot) =>
  [...tensors].map(([name, { shape, data }]) => [name, shape, Buffer.from(data.buffer).toString('hex')]);

describe('snapshots', () => {
  it('come back bit for bit, and the same one has the same bytes', () => {
    const path = written();
    const read = readSnapshot(path);
    expect(read.state).toEqual(snapshot.state);
    expect(bits(read)).toEqual(bits(snapshot));
    expect(readFileSync(written()).equals(readFileSync(path))).toBe(true);
  });

  it('the memory of threads can be written', () => {
    const path = join(temporaryFolder(), 's');
    const data = new Float32Array(new SharedArrayBuffer(8));
    data.set([1, 2]);
    writeSnapshot(path, { state: null, tensors: new Map([['a', new Tensor(data, [2])]]) });
    expect([...readSnapshot(path).tensors.get('a')!.data]).toEqual([1, 2]);
  });

  it('recipe/R6: a flipped bit is noticed, wherever it is', () => {
    const path = written();
    const good = readFileSync(path);
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad[at]! ^= 1;
      writeFileSync(path, bad);
      let read: Snapshot | undefined;
      try {
        read = readSnapshot(path);
      } catch (error) {
        expect(error).toBeInstanceOf(DataError);
      }
      // A space behind the header is no part of what it says.
      if (read !== undefined) expect({ at, bits: bits(read), state: read.state }).toEqual({ at });
    }
  });

  it('recipe/R6: two tensors that have changed places are noticed', () => {
    const path = join(temporaryFolder(), 's');
    const [a, b] = [tensorOf('f32', [1], [1]), tensorOf('f32', [1], [2])];
    const of = (first: Tensor, second: Tensor): Snapshot => ({
      state: 0,
      tensors: new Map([
        ['a', first],
        ['b', second],
      ]),
    });
    writeSnapshot(path, of(a, b));
    const text = readFileSync(path).toString('latin1');
    writeSnapshot(path, of(b, a));
    const other = readFileSync(path).toString('latin1');
    const sum = (file: string) => /"sha256":"([0-9a-f]{64})"/.exec(file)![1]!;
    writeFileSync(path, Buffer.from(text.replace(sum(text), sum(other)), 'latin1'));
    expect(faultOf(() => readSnapshot(path))).toMatchObject({ rule: 'recipe/R6', subject: path });
  });

  it('a file that was cut short, another file, and none are refused', () => {
    const path = written();
    truncateSync(path, readFileSync(path).length - 3);
    expect(faultOf(() => readSnapshot(path)).subject).toContain(path);
    writeFileSync(path, tensorFile({ a: { dtype: 'F32', shape: [1], values: [1] } }));
    expect(faultOf(() => readSnapshot(path))).toMatchObject({ found: 'no format in its metadata' });
    expect(faultOf(() => readSnapshot(`${path}.none`)).found).toBe('no such file');
  });

  it('a disk that is full leaves the old one and nothing else', () => {
    const path = written();
    const before = readFileSync(path);
    disk.room = 200;
    onTestFinished(() => {
      disk.room = Number.POSITIVE_INFINITY;
    });
    expect(faultOf(() => writeSnapshot(path, { ...snapshot, state: 4 }), CallerError)).toMatchObject({
      subject: path,
      found: 'no space left',
    });
    expect(disk.room).toBe(0);
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(join(path, '..'))).toHaveLength(1);
  });
});
