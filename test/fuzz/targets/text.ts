/** Tokenizers, chat templates, and text that is shown. */

import { decodeUtf8, parseJson } from '../../../lib/checkpoint/json.ts';
import { llama2cTokenizerJson, readLlama2cTokenizer } from '../../../lib/checkpoint/llama2c-tokenizer.ts';
import { nodeTimeLimit } from '../../../lib/checkpoint/time-limit.ts';
import { byteTokenizerConfigJson, byteTokenizerJson } from '../../../lib/text/byte-tokenizer.ts';
import { renderChat } from '../../../lib/text/chat-template.ts';
import { printable } from '../../../lib/text/printable.ts';
import { streamingDecoder } from '../../../lib/text/streaming-decoder.ts';
import { loadTokenizer, type TextTokenizer } from '../../../lib/text/tokenizer.ts';
import { llama2Like, llama3Like } from '../../text/tokenizers.ts';
import { inputOf, utf16Text } from '../input.ts';
import { must, type Target } from '../target.ts';
import { llama2cTokenizerBytes } from './files.ts';

const PROMPT = "Hello, the hello 123's  world\n\n é😀 \ud800 <s> <|eot_id|>…";

const valueIn = (bytes: Uint8Array, name: string): unknown => parseJson(decodeUtf8(bytes, name), name);
const none = new Uint8Array(0);
const limit = nodeTimeLimit();

/** Encodes a text, decodes it at once and bit by bit. */
function use(tokenizer: TextTokenizer, text: string): void {
  const ids = tokenizer.encode(text);
  must(
    ids.every((id) => id < tokenizer.vocabularySize),
    'an id outside the vocabulary',
  );
  const options = { skipSpecialTokens: false };
  tokenizer.decode(ids, { skipSpecialTokens: true });
  const whole = tokenizer.decode(ids, options);
  const stream = streamingDecoder(tokenizer, [], options);
  const parts = ids.map((id) => stream.push(id)).join('') + stream.flush();
  must(parts === whole, `text bit by bit differs from the text at once`);
}

export const textTargets: readonly Target[] = [
  {
    name: 'tokenizer',
    share: 14,
    seeds: () => [
      inputOf({
        'tokenizer.json': llama3Like().tokenizer,
        'tokenizer_config.json': llama3Like().config,
        'text.utf16': PROMPT,
      }),
      inputOf({
        'tokenizer.json': llama2Like().tokenizer,
        'tokenizer_config.json': llama2Like().config,
        'text.utf16': PROMPT,
      }),
      inputOf({
        'tokenizer.json': byteTokenizerJson(),
        'tokenizer_config.json': byteTokenizerConfigJson(),
        'text.utf16': PROMPT,
      }),
    ],
    run(input) {
      const json = valueIn(input['tokenizer.json'] ?? none, 'tokenizer.json');
      const config = valueIn(input['tokenizer_config.json'] ?? none, 'tokenizer_config.json');
      use(loadTokenizer(json, config, 'tokenizer.json', limit), utf16Text(input['text.utf16'] ?? none));
    },
  },
  {
    name: 'pattern',
    share: 10,
    seeds: () =>
      [
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        '(?:ab|b)?c|(?:x|xx)?y',
        '[\\p{Lu}\\p{M}]*[\\p{Ll}]+(?i:x)?|(?=[ab]*c)\\w{2,}',
      ].map((pattern) =>
        inputOf({
          'pattern.utf16': pattern,
          'text.utf16': `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa${PROMPT}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`,
        }),
      ),
    run(input) {
      const tokenizer = byteTokenizerJson() as { pre_tokenizer: unknown };
      const Regex = utf16Text(input['pattern.utf16'] ?? none);
      const split = { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false };
      const bytes = tokenizer.pre_tokenizer;
      const changed = { ...tokenizer, pre_tokenizer: { type: 'Sequence', pretokenizers: [split, bytes] } };
      use(
        loadTokenizer(changed, byteTokenizerConfigJson(), 'tokenizer.json', limit),
        utf16Text(input['text.utf16'] ?? none),
      );
    },
  },
  {
    name: 'chat-template',
    share: 20,
    seeds: () =>
      [
        "{% for message in messages %}{% if message.role == 'user' %}{{ '<|user|>' + message.content }}{% elif message.role == 'assistant' %}{{ message.content + eos_token }}{% else %}{{ raise_exception('roles') }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
        "{{- bos_token }}{%- set x = messages[0]['content'] | trim %}{% set ns = namespace(a=1) %}{% set ns.a = x ~ 'b' %}{{ ns.a | replace('a', 'bb') | indent(4) }}{{ messages | tojson(indent=2) }}{{ messages | map(attribute='role') | join(', ') }}",
        "{% macro f(a, b='x') %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ [1, 2][0] }}{{ {'a': 1}.items() | list }}{{ range(3) | length }}{{ 'x' if x is defined else 'y' }}{{ 'a b'.split(' ')[1:] }}",
      ].map((template) =>
        inputOf({ 'chat_template.jinja': template, 'message.utf16': 'Hello {{ x }}\n\ud800' }),
      ),
    run(input) {
      const content = utf16Text(input['message.utf16'] ?? none);
      const messages = [
        { role: 'user', content },
        { role: 'assistant', content: 'Yes.' },
      ];
      const options = { bosToken: '<s>', eosToken: null, addGenerationPrompt: true };
      const template = decodeUtf8(input['chat_template.jinja'] ?? none, 'chat_template.jinja');
      const rendered = renderChat(template, messages, options);
      must(typeof rendered === 'string', 'no text');
      must(rendered === renderChat(template, messages, options), 'another text the second time');
    },
  },
  {
    name: 'llama2c-tokenizer',
    share: 30,
    seeds: () => [inputOf({ 'tokenizer.bin': llama2cTokenizerBytes(), 'text.utf16': 'ab ba\n</s>' })],
    run(input) {
      const { tokens } = readLlama2cTokenizer(input['tokenizer.bin'] ?? none, 7, 'tokenizer.bin');
      const { tokenizer, tokenizerConfig } = llama2cTokenizerJson(tokens, 'tokenizer.bin');
      const [json, config] = [tokenizer, tokenizerConfig].map((value) =>
        parseJson(JSON.stringify(value), 'made'),
      );
      use(loadTokenizer(json, config, 'tokenizer.bin'), utf16Text(input['text.utf16'] ?? none));
    },
  },
  {
    name: 'shown-text',
    share: 30,
    seeds: () => [inputOf({ 'text.utf16': `${PROMPT}\u001b[2J\u009b31m\u202e\u2066\r\b` })],
    run(input) {
      const shown = printable(utf16Text(input['text.utf16'] ?? none));
      must(
        !/(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\u2028\u2029]/u.test(shown),
        'a character that steers a terminal',
      );
      must(shown === printable(shown), 'a text that is made safe twice differs');
    },
  },
];
