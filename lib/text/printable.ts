/**
 * Text of strangers, made safe to show and to keep.
 *
 * @module
 */

/** The text with U+FFFD for every half of a surrogate pair, as in UTF-8: neither a file nor JSON can have one. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Cs}/gu, '\ufffd');
}

/**
 * Characters that steer a terminal or the direction and the visibility of text, and halves of surrogate pairs. Not among
 * them: line feed and tab; U+200C and U+200D, which only join letters or emoji.
 */
const STEERING = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

/** The text with every such character replaced by its number, e.g. `\u{1b}` for escape. Other text is not changed. */
export function printable(text: string): string {
  return text.replace(STEERING, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
