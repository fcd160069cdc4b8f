/**
 * The two functions of the web platform that the library takes from the engine, for engines without them: QuickJS and gjs have little
 * beyond what ECMAScript itself defines. Imported before anything that uses them.
 */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Character code → value of the digit; 0 for '='. */
const VALUES = Uint8Array.from({ length: 128 }, (_, code) =>
  Math.max(0, ALPHABET.indexOf(String.fromCharCode(code))),
);

/** Bytes that become a string at a time: an engine limits the number of arguments of a call. Divisible by 3. */
const PIECE = 3072;

/** As `atob`, for well-formed text without white space. */
export function decodeBase64(text: string): string {
  const size = (text.length / 4) * 3 - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0);
  const value = (i: number) => VALUES[text.charCodeAt(i)]!;
  const bytes = new Uint8Array(PIECE);
  const pieces: string[] = [];
  let used = 0;
  for (let i = 0; i < text.length; i += 4) {
    const bits = (value(i) << 18) | (value(i + 1) << 12) | (value(i + 2) << 6) | value(i + 3);
    bytes[used++] = bits >>> 16;
    bytes[used++] = bits >>> 8;
    bytes[used++] = bits;
    if (used === PIECE || i + 4 >= text.length) {
      pieces.push(String.fromCharCode(...bytes.subarray(0, used)));
      used = 0;
    }
  }
  return pieces.join('').slice(0, size);
}

/** As `TextDecoder` for UTF-8: `decodeURIComponent` is as strict. */
export class Utf8Decoder {
  decode(bytes: Uint8Array): string {
    return decodeURIComponent(Array.from(bytes, (b) => `%${b.toString(16).padStart(2, '0')}`).join(''));
  }
}

const scope = globalThis as { atob?: unknown; TextDecoder?: unknown };
scope.atob ??= decodeBase64;
scope.TextDecoder ??= Utf8Decoder;
