import { describe, expect, it } from 'vitest';
import {
  IS_LITTLE_ENDIAN,
  littleEndianToMachine,
  machineToLittleEndian,
} from '../../lib/checkpoint/byte-order.ts';

describe('byte order', () => {
  it('is what this machine says of itself', () => {
    const bytes = new Uint8Array(Float32Array.of(1).buffer);
    expect(IS_LITTLE_ENDIAN).toBe(bytes[3] === 0x3f);
  });

  it('reverses the bytes within each element, not the elements, on a big-endian machine', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    expect([...littleEndianToMachine(bytes, 4, false)]).toEqual([4, 3, 2, 1, 8, 7, 6, 5]);
    expect([...littleEndianToMachine(bytes, 2, false)]).toEqual([2, 1, 4, 3, 6, 5, 8, 7]);
    expect([...littleEndianToMachine(bytes, 1, false)]).toEqual([...bytes]);
    const elements = new Uint16Array(bytes.buffer, 2, 2);
    expect([...machineToLittleEndian(elements, false)]).toEqual([4, 3, 6, 5]);
    expect([...bytes]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('does not copy what is aligned, and copies what is not, where a typed array could not look', () => {
    const bytes = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    const aligned = bytes.subarray(4, 8);
    const unaligned = bytes.subarray(1, 5);
    expect(littleEndianToMachine(aligned, 4, true)).toBe(aligned);
    const copy = littleEndianToMachine(unaligned, 4, true);
    expect(copy.byteOffset % 4).toBe(0);
    expect([...copy]).toEqual([1, 2, 3, 4]);
  });

  it('hands over the memory of the view alone, not of the whole buffer', () => {
    const elements = Float64Array.of(1, 2, 3, 4).subarray(1, 3);
    expect(machineToLittleEndian(elements, true).byteLength).toBe(16);
  });
});
