/**
 * Conversations to text, by the template that comes with a tokenizer: with `bounded-interpreter.ts` the only door to `@huggingface/jinja`.
 *
 * @module
 */

import { Environment, parse, tokenize } from '@huggingface/jinja';
import { DataError, show } from '../errors.ts';
import { BoundedInterpreter, MAX_TEMPLATE_LENGTH, TooMuch } from './bounded-interpreter.ts';
import { wellFormed } from './printable.ts';

/** One turn of a conversation. */
export interface ChatMessage {
  /** Who speaks; which names are known is up to the template. Usually `system`, `user` and `assistant`. */
  readonly role: string;
  readonly content: string;
}

/** What a template is given beside the conversation. */
export interface ChatOptions {
  /** How the tokens that begin and end a text are spelled; null if the tokenizer has none. */
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  /** Whether to end with the words that make the model speak next. */
  readonly addGenerationPrompt: boolean;
}

/** Longest list that `range` makes for a template; a template has no business with more, and a hostile one no means. */
const MAX_RANGE = 100_000;

/**
 * The chat template in the contents of a `tokenizer_config.json`: its `chat_template`, or of several the one named `default`.
 *
 * @returns null if there is none
 * @throws DataError if it is something else
 */
export function chatTemplateOf(tokenizerConfig: unknown, subject: string): string | null {
  const value: unknown = (tokenizerConfig as { chat_template?: unknown } | null | undefined)?.chat_template;
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return value;
  const named = (Array.isArray(value) ? value : []) as ({ name?: unknown; template?: unknown } | null)[];
  const template = named.find((entry) => entry?.name === 'default')?.template;
  if (typeof template === 'string') return template;
  const expected = 'chat_template to be a text, or a list with one named "default"';
  throw new DataError({ subject, expected, found: show(value) });
}

/**
 * The text of a conversation. It begins with whatever the template puts there, usually the token that begins a text, so it is
 * to be encoded without special tokens.
 *
 * The same arguments give the same text: a template cannot ask for the date (`strftime_now` is not defined; those that
 * know both cases use a fixed date then).
 *
 * A template is a program of a stranger's. It has no way to anything but the conversation, and no more steps and memory than
 * `bounded-interpreter.ts` says.
 *
 * @param subject what messages call the template, e.g. the file's path
 * @throws DataError if the template is malformed, fails, goes beyond a limit, or refuses the conversation (`raise_exception`)
 */
export function renderChat(
  template: string,
  messages: readonly ChatMessage[],
  { bosToken, eosToken, addGenerationPrompt }: ChatOptions,
  subject = 'chat template',
): string {
  if (template.length > MAX_TEMPLATE_LENGTH) {
    throw new DataError({
      subject,
      expected: `at most ${MAX_TEMPLATE_LENGTH} characters`,
      found: `${template.length}`,
    });
  }
  try {
    const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
    const environment = new Environment();
    const variables: Record<string, unknown> = {
      ...CONSTANTS,
      range,
      raise_exception: (reason: unknown) => {
        throw new Refusal(String(reason));
      },
      messages: messages.map(({ role, content }) => ({ role, content })),
      add_generation_prompt: addGenerationPrompt,
      bos_token: bosToken ?? '',
      eos_token: eosToken ?? '',
    };
    for (const [name, value] of Object.entries(variables)) environment.set(name, value);
    const length = messages.reduce((sum, { role, content }) => sum + role.length + content.length, 0);
    const result = new BoundedInterpreter(environment, length).run(program);
    // A template can take half of a character out of a text.
    return wellFormed(String(result?.value));
  } catch (cause) {
    if (cause instanceof Refusal) {
      const found = `the refusal ${show(cause.message)}`;
      throw new DataError({ subject, expected: 'a conversation that it accepts', found }, { cause });
    }
    if (cause instanceof TooMuch) {
      throw new DataError(
        { subject, expected: 'a template within its limits', found: cause.message },
        { cause },
      );
    }
    const found = `an error: ${show(String(cause))}`;
    throw new DataError({ subject, expected: 'a template that works', found }, { cause });
  }
}

/** Thrown by a template on purpose. */
class Refusal extends Error {}

const CONSTANTS = { true: true, false: false, none: null, True: true, False: false, None: null } as const;

/** Jinja's `range`: from `start`, 0 if there is only one argument, up to but not including `stop`. */
function range(first: unknown, second?: unknown, third?: unknown): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const step = third ?? 1;
  const whole =
    Number.isSafeInteger(start) && Number.isSafeInteger(stop) && Number.isSafeInteger(step) && step !== 0;
  const count = whole ? Math.ceil(((stop as number) - (start as number)) / (step as number)) : Number.NaN;
  if (!(count <= MAX_RANGE)) throw new RangeError(`range(${[first, second, third].join(', ')})`);
  return Array.from({ length: Math.max(count, 0) }, (_, i) => (start as number) + i * (step as number));
}
