/** What the fuzzer gives a reader: files by name. The end of a name says what is inside, and so how it is mutated. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * | name ends with | holds | mutated as |
 * |---|---|---|
 * | `.json`, `.jsonl` | JSON, or a value a line | values, keys and text |
 * | `.safetensors` | a header of JSON and bytes | the same, the header's length and the bytes |
 * | `.utf16` | text as UTF-16, little-endian, so that half a surrogate pair can be in it | text |
 * | `.jinja` | a template | text and words of the language |
 * | `.args` | words of a command line, as a JSON list | words |
 * | anything else | bytes | bytes |
 */
export type Input = Readonly<Record<string, Uint8Array>>;

const encoder = new TextEncoder();

/** Files of text, bytes, or any other value as JSON. */
export function inputOf(files: Readonly<Record<string, unknown>>): Input {
  return Object.fromEntries(
    Object.entries(files).map(([name, content]) => [
      name,
      content instanceof Uint8Array ? content : bytesOf(name, content),
    ]),
  );
}

function bytesOf(name: string, content: unknown): Uint8Array {
  if (typeof content !== 'string') return encoder.encode(JSON.stringify(content));
  return name.endsWith('.utf16') ? utf16Bytes(content) : encoder.encode(content);
}

export function utf16Bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'utf16le'));
}

export function utf16Text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength - (bytes.byteLength % 2)).toString(
    'utf16le',
  );
}

/** Bytes as text, whatever they are. */
export const looseText = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');

/** The input that was kept in a folder. */
export function inputIn(folder: string): Input {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.replace(/\/*$/, '/').length));
  return Object.fromEntries(names.map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));
}
