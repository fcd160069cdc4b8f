/**
 * Little-endian bytes, as the files have them, against the order of the machine, as typed arrays have it.
 *
 * @module
 */

/** Whether this machine stores the least significant byte first, as nearly all do. */
export const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * Little-endian elements of `width` bytes as bytes that a typed array of that width can look at: aligned and in the
 * machine's order. The very bytes where they are that already, else a copy.
 */
export function littleEndianToMachine(
  bytes: Uint8Array,
  width: number,
  littleEndian: boolean = IS_LITTLE_ENDIAN,
): Uint8Array {
  if (!littleEndian) return reverseElements(bytes, width);
  return bytes.byteOffset % width === 0 ? bytes : bytes.slice();
}

/** The elements of a typed array as little-endian bytes. The very memory where that is possible, else a copy. */
export function machineToLittleEndian(
  elements: ArrayBufferView & { readonly BYTES_PER_ELEMENT: number },
  littleEndian: boolean = IS_LITTLE_ENDIAN,
): Uint8Array {
  const bytes = new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
  return littleEndian ? bytes : reverseElements(bytes, elements.BYTES_PER_ELEMENT);
}

function reverseElements(bytes: Uint8Array, width: number): Uint8Array {
  const reversed = new Uint8Array(bytes.length);
  for (let start = 0; start < bytes.length; start += width) {
    for (let i = 0; i < width; i++) reversed[start + i] = bytes[start + width - 1 - i]!;
  }
  return reversed;
}
