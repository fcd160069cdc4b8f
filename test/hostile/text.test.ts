/** Attacks by text: tokenizers, chat templates, prompts, and what is shown. */

import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { run } from '../../cli/main.ts';
import { nodeTimeLimit } from '../../lib/checkpoint/time-limit.ts';
import { DataError } from '../../lib/errors.ts';
import { byteTokenizerConfigJson, byteTokenizerJson } from '../../lib/text/byte-tokenizer.ts';
import { renderChat } from '../../lib/text/chat-template.ts';
import { OutOfTime } from '../../lib/text/time-limit.ts';
import { loadTokenizer, type TextTokenizer } from '../../lib/text/tokenizer.ts';
import { hamburger, toy } from '../cli/run.ts';
import { faultOf, folderOf, temporaryFolder } from '../helpers/checkpoint-folders.ts';
import { llama3Like } from '../text/tokenizers.ts';

/** Milliseconds of this thread that a call takes. */
function timeOf(call: () => unknown): number {
  const started = process.cpuUsage();
  call();
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1000;
}

/** Of a tokenizer's file, what tests change. */
interface Json {
  normalizer: unknown;
  pre_tokenizer: unknown;
  readonly added_tokens: readonly object[];
  readonly model: { readonly vocab: object; merges: unknown };
}

/** The byte tokenizer with changes to its file. */
function changed(change: (json: Json) => void): TextTokenizer {
  const json = byteTokenizerJson() as Json;
  change(json);
  return loadTokenizer(json, byteTokenizerConfigJson(), 'x', nodeTimeLimit());
}

const split = (Regex: string) =>
  changed((json) => {
    const pattern = { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false };
    json.pre_tokenizer = { type: 'Sequence', pretokenizers: [pattern, json.pre_tokenizer] };
  });

describe('tokenizers', () => {
  it('merges in a circle, and merges with nothing, come to an end', () => {
    const circle = changed(({ model }) => {
      Object.assign(model.vocab, { '': 258, ab: 259, aba: 260, abab: 261 });
      model.merges = [
        ['a', 'b'],
        ['ab', 'a'],
        ['aba', 'b'],
        ['ab', 'ab'],
        ['', 'a'],
        ['a', ''],
        ['', ''],
      ];
    });
    const text = 'ab'.repeat(5000);
    const milliseconds = timeOf(() => {
      const ids = circle.encode(text);
      // `a` and `b` first, everywhere; no `a` is left alone, so that `ab` meets `ab`.
      expect(new Set(ids.slice(1))).toEqual(new Set([261]));
      expect(ids).toHaveLength(1 + 2500);
      expect(circle.decode(ids, { skipSpecialTokens: true })).toBe(text);
    });
    expect(milliseconds).toBeLessThan(1000);
    // Of `ab`, `ab` and `a`, what is listed first is joined first.
    expect(circle.encode('ababa')).toEqual([256, 259, 260]);
  });

  it.each([
    ['(a+)+$', 'only single characters'],
    ['(?:a|a)*b', 'only single characters'],
    ['(?:a*)*', 'only single characters'],
    ['(?:\\s?\\p{L}+){2,}', 'only single characters'],
    ['a*a*a*b', 'at most 2 repetitions'],
    ['(?=a*b)\\s*x*', 'at most 2 repetitions'],
    ['a?'.repeat(30) + 'a'.repeat(30), 'at most 256 ways'],
    ['(a)\\1', 'no reference back'],
    ['a{9999}', 'counts of at most 256'],
    ['(?:(?:a{200}){200}){200}', 'only single characters'],
    ['a'.repeat(5000), 'at most 4096 characters'],
  ])('the catastrophic pattern %j is refused before it is run', (pattern, expected) => {
    const milliseconds = timeOf(() => expect(faultOf(() => split(pattern)).expected).toContain(expected));
    expect(milliseconds).toBeLessThan(1000);
  });

  it.each([
    // Llama 3, GPT-2, GPT-4o and DeepSeek.
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
  ])('the published pattern %j is not', (pattern) => {
    expect(split(pattern).encode("It's 1234 \n x")).not.toEqual([]);
  });

  it('a pattern whose time grows with a power of the text is broken off, also inside of the engine', () => {
    const limit = nodeTimeLimit();
    expect(() => limit(() => /(?:x+)+y/.test('x'.repeat(26)), 50)).toThrow(OutOfTime);
    expect(limit(() => 3, 50)).toBe(3);
    const thrown = new Error('its own');
    expect(() =>
      limit(() => {
        throw thrown;
      }, 50),
    ).toThrow(thrown);
    const broken = loadTokenizer(llama3Like().tokenizer, llama3Like().config, 'x', () => {
      throw new OutOfTime('broken off after 1 ms');
    });
    expect(faultOf(() => broken.encode('a')).found).toBe(
      'one that was broken off after 1 ms while it encoded a text',
    );
  });

  it('replacements one after the other do not make a text grow without end', () => {
    const doubled = (n: number) =>
      changed((json) => {
        const normalizers = Array.from({ length: n }, () => ({
          type: 'Replace',
          pattern: { String: 'a' },
          content: 'aa',
        }));
        json.normalizer = { type: 'Sequence', normalizers };
      });
    expect(doubled(8).encode('a')).toHaveLength(257);
    expect(faultOf(() => doubled(40)).expected).toBe('texts to become at most 256 times as long');
    const between = { type: 'Replace', pattern: { Regex: '' }, content: 'x'.repeat(300) };
    expect(faultOf(() => changed((json) => Object.assign(json, { normalizer: between }))).found).toBe(
      'up to 301 times',
    );
  });

  it('a token of a million characters is refused: it would be looked for at every place', () => {
    const { expected } = faultOf(() =>
      changed(({ added_tokens }) => Object.assign(added_tokens[0]!, { content: 'a'.repeat(1_000_000) })),
    );
    expect(expected).toBe('at most 4096 characters');
  });
});

describe('chat templates', () => {
  const options = { bosToken: '<s>', eosToken: null, addGenerationPrompt: true };
  const render = (template: string, content = 'Hello') =>
    renderChat(template, [{ role: 'user', content }], options);
  const limits = /expected (a template within its limits|at most 262144 characters), found/;

  it.each([
    [
      'a loop in a loop in a loop',
      '{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}x{% endfor %}{% endfor %}{% endfor %}',
    ],
    ['empty loops', '{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}'],
    ['a macro that calls itself twice', '{% macro f(g) %}{{ g(g) }}{{ g(g) }}{% endmacro %}{{ f(f) }}'],
    ['text that doubles', `{% set x = 'ab' %}${'{% set x = x ~ x %}'.repeat(60)}{{ x }}`],
    // Steps alone would allow it.
    ['text that doubles, not for long', `{% set x = 'ab' %}${'{% set x = x ~ x %}'.repeat(20)}`],
    ['a list in a list in a list', `{% set x = [1] %}${'{% set x = [x] %}'.repeat(80)}`],
    ['a list that doubles', `{% set x = [1] %}${'{% set x = x + x %}'.repeat(60)}{{ x | length }}`],
    ['a list of the same list twice', `{% set x = [1] %}${'{% set x = [x, x] %}'.repeat(60)}{{ x }}`],
    [
      'the same in namespaces',
      `{% set n = namespace(x=1) %}${'{% set m = namespace(x=n, y=n) %}{% set n = namespace(x=m, y=m) %}'.repeat(30)}{{ n }}`,
    ],
    // Every look costs as much as there is to see, though the list is made once.
    ['a list that is looked at again and again', `{% set x = range(3000) %}${'{{ x | length }}'.repeat(4)}`],
    [
      'a text that is looked at again and again',
      `{% set x = 'ab' %}${'{% set x = x ~ x %}'.repeat(16)}${'{{ x | length }}'.repeat(80)}`,
    ],
    ['a width of a billion', '{{ messages | tojson(indent=1000000000) }}'],
    ['another width', "{{ 'a\\nb' | indent(1000000000) }}"],
    [
      'replacements between all characters',
      "{% set x = 'a' %}{% for i in range(14) %}{% set x = x ~ x %}{% endfor %}{% set y = namespace(v='a') %}{% for i in range(14) %}{% set y.v = y.v ~ y.v %}{% endfor %}{{ y.v.replace('', y.v) }}",
    ],
    [
      'a separator between many',
      "{% set y = namespace(v='a') %}{% for i in range(14) %}{% set y.v = y.v ~ y.v %}{% endfor %}{{ range(2000) | join(y.v) }}",
    ],
    [
      'a search that goes back and forth',
      "{% set y = namespace(v='a') %}{% for i in range(17) %}{% set y.v = y.v ~ y.v %}{% endfor %}{{ ('b' ~ y.v) in (y.v ~ y.v) }}",
    ],
  ])('%s ends at a limit, at once', (_, template) => {
    let message = '';
    const milliseconds = timeOf(() => {
      try {
        render(template);
      } catch (error) {
        expect(error).toBeInstanceOf(DataError);
        ({ message } = error as DataError);
      }
    });
    expect(message).toMatch(/limits|Maximum call stack/);
    expect(milliseconds).toBeLessThan(1000);
  });

  it.each(['1000000000', '100001', '-1000000000, 0', '0, 1, 0.000000001', "'x'"])(
    'range(%s) is refused before it is made',
    (bounds) => {
      const milliseconds = timeOf(() =>
        expect(() => render(`{{ range(${bounds}) }}`)).toThrow(/found an error: "RangeError: range\(/),
      );
      expect(milliseconds).toBeLessThan(1000);
    },
  );

  it('a template of a megabyte is refused before it is read', () => {
    expect(() => render('x'.repeat(1 << 20))).toThrow('expected at most 262144 characters, found 1048576');
  });

  it('the limits do not depend on the machine: a template ends in the same place always', () => {
    const loop = (n: number) => `{% for i in range(${n}) %}{{ i }}{% endfor %}`;
    const most = [...Array(6000).keys()].findLast((n) => {
      if (n % 100 !== 0) return false;
      try {
        render(loop(n));
        return true;
      } catch {
        return false;
      }
    });
    expect(most).toBe(4900);
    expect(() => render(loop(5000))).toThrow(limits);
  });

  it('half of a character that a template takes out of a text becomes U+FFFD', () => {
    expect(render('{{ messages[0].content[0] }}', '😀')).toBe('\ufffd');
  });

  it('a long conversation may be gone through some dozen times, but not hundreds of times', () => {
    const content = 'word '.repeat(400_000);
    const passes = '{% for m in messages %}{{ m.content | trim }}{% endfor %}';
    expect(render(passes.repeat(5), content)).toHaveLength(5 * (content.length - 1));
    expect(() => render(passes.repeat(200), 'word '.repeat(20_000))).toThrow(limits);
  });

  it.each([
    'messages.constructor',
    'messages.__proto__',
    "messages[0]['constructor']",
    "messages[0].content.constructor.constructor('return process')()",
    "''.constructor",
    "''['constructor']",
    'range.constructor',
    "range['constructor']('return process')()",
    'raise_exception.constructor',
    'namespace.constructor',
    'process',
    'globalThis',
    'global',
    'require',
    'this',
    'self',
    'Function',
    'console',
    'loop',
    'strftime_now',
    '{}.constructor',
    '[].constructor',
    '(1).constructor',
    'true.constructor',
    '{}.__proto__',
    "namespace(a=1)['__proto__']",
  ])('%s reaches for globals and gets nothing', (expression) => {
    let rendered = '';
    try {
      rendered = render(`{{ (${expression}) is defined }}`);
    } catch (error) {
      expect(error).toBeInstanceOf(DataError);
      expect((error as Error).message).toMatch(/found an error: /);
      return;
    }
    expect(rendered).toBe('false');
  });

  it('a template cannot change what others see: prototypes, messages, its own functions', () => {
    const messages = [{ role: 'user', content: 'Hello' }];
    const keys = Reflect.ownKeys(Object.prototype).length;
    const attacks = [
      '{% set messages = [] %}{% set ns = namespace(__proto__=1, constructor=2) %}{% set ns.__proto__ = {"polluted": 1} %}',
      '{% set x = {"__proto__": {"polluted": 1}} %}{{ x.items() | list }}',
      '{% set range = 1 %}{% set raise_exception = 2 %}',
    ];
    for (const attack of attacks) renderChat(attack, messages, options);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Reflect.ownKeys(Object.prototype).length).toBe(keys);
    expect(messages).toEqual([{ role: 'user', content: 'Hello' }]);
    expect(renderChat('{{ range(3) | length }}{{ messages[0].content }}', messages, options)).toBe('3Hello');
  });
});

describe('prompts', () => {
  it('generation/C1: one of 10 MB is refused at once', async () => {
    const folder = folderOf({ 'prompt.txt': 'word '.repeat(2_097_152) });
    const started = process.cpuUsage();
    const { code, stdout, stderr } = await hamburger([
      'generate',
      '--prompt-file',
      join(folder, 'prompt.txt'),
      '--checkpoint',
      toy,
    ]);
    const { user, system } = process.cpuUsage(started);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /--prompt-file: expected at most [\d,]+ tokens, one for each position, found a text of 10485760 characters, which is at least \d+ tokens/,
    );
    expect((user + system) / 1e6).toBeLessThan(5);
  });

  it('what a tokenizer says of the least number of tokens is never more than there are', () => {
    const tokenizer = loadTokenizer(llama3Like().tokenizer, llama3Like().config, 'x');
    for (const text of ['', 'hello', ' the hello 123\n\n', 'é😀\ud800', '<|eot_id|><tool>', ' '.repeat(99)]) {
      expect(tokenizer.leastTokens(text), text).toBeLessThanOrEqual(
        tokenizer.encodeWithoutSpecials(text).length,
      );
    }
    expect(tokenizer.leastTokens('x'.repeat(1000))).toBeGreaterThan(50);
    // Where parts of a text can be dropped, nothing is said.
    const dropping = changed((json) => Object.assign(json.added_tokens[0]!, { rstrip: true }));
    expect(dropping.leastTokens('x'.repeat(1000))).toBe(0);
  });

  it('one of lone surrogates is spelled as U+FFFD, whose bytes come back', async () => {
    const text = '\ud800\udc00\udfff\ud800a\udfff';
    const ids = changed(() => {}).encode(text);
    expect(changed(() => {}).decode(ids, { skipSpecialTokens: true })).toBe('\u{10000}\ufffd\ufffda\ufffd');
    const { code, stdout } = await hamburger([
      'generate',
      text,
      '--max-tokens',
      '2',
      '--json',
      '--checkpoint',
      toy,
    ]);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { prompt: { text: string } }).prompt.text).toBe(
      '\u{10000}\ufffd\ufffda\ufffd',
    );
  });

  it('one of every Unicode plane comes back as it was', () => {
    const planes = Array.from({ length: 17 }, (_, plane) =>
      [0x21, 0x3042, 0xfffd].map((low) => String.fromCodePoint(plane * 0x10000 + low)).join(''),
    );
    const text = planes.join(' ');
    // A token a byte, behind the one that begins every text.
    expect(changed(() => {}).encode(text)).toEqual([256, ...Buffer.from(text)]);
    for (const tokenizer of [
      changed(() => {}),
      loadTokenizer(llama3Like().tokenizer, llama3Like().config, 'x'),
    ]) {
      expect(tokenizer.decode(tokenizer.encode(text), { skipSpecialTokens: true })).toBe(text);
    }
  });
});

describe('terminals', () => {
  const attack = 'a\u001b[2J\u001b]0;title\u0007\u009b31m\u0090q\u202e\u2066\ufeffb\rc\bd\u0000';
  const steers = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;

  /** Runs a command on a terminal; what it writes there. */
  async function onTerminal(
    ...args: readonly string[]
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const stream = () => {
      const written: string[] = [];
      const writable = new Writable({
        write(chunk: Buffer, _, done) {
          written.push(chunk.toString('utf8'));
          done();
        },
      });
      return { stream: Object.assign(writable, { isTTY: true, columns: 80 }), text: () => written.join('') };
    };
    const [stdout, stderr] = [stream(), stream()];
    const code = await run(args, { stdout: stdout.stream, stderr: stderr.stream });
    // A status line begins by clearing the one before: our own sequence, before text that is safe.
    return { code, stdout: stdout.text(), stderr: stderr.text().replaceAll('\r\u001b[K', '') };
  }

  it('text that is loaded is shown, never sent to it', async () => {
    const file = join(folderOf({ 'response.txt': attack }), 'response.txt');
    const { code, stdout, stderr } = await onTerminal(
      'segment',
      '--prompt',
      'x',
      '--response-file',
      file,
      '--no-color',
    );
    expect(code).toBe(0);
    expect(stdout).toContain('\\u{1b}');
    expect(stdout + stderr).not.toMatch(steers);
    const table = await onTerminal(
      'segment',
      '--prompt',
      'x',
      '--response-file',
      file,
      '--no-color',
      '--tokens',
    );
    expect(table.stdout + table.stderr).not.toMatch(steers);
  });

  it('text that is generated is shown, never sent to it; to a file it goes as it is', async () => {
    const cwd = temporaryFolder();
    const folder = join(cwd, 'bytes');
    expect((await hamburger(['init', '--preset', 'tiny', '--out', folder, '--seed', '1'])).code).toBe(0);
    const args = [
      'generate',
      'x',
      '--checkpoint',
      folder,
      '--max-tokens',
      '60',
      '--temperature',
      '5',
      '--seed',
      '2',
      '--kernels',
      'reference',
    ];
    const plain = await hamburger(args);
    expect(plain.stdout).toMatch(steers);
    const { code, stdout, stderr } = await onTerminal(...args, '--no-color');
    expect(code).toBe(0);
    expect(stdout).toMatch(/\\u\{[0-9a-f]+\}/);
    expect(stdout + stderr).not.toMatch(steers);
  });

  it.each([
    ['the name of a folder', ['inspect', attack.replace('\0', '')]],
    ['an option that is not known', ['generate', `--${attack}`]],
    ['a command that is not known', [attack]],
    ['a value of an option', ['generate', '--max-tokens', attack]],
    ['a choice', ['generate', '--profile', attack]],
  ])('%s in a message is shown, never sent to it', async (_, args) => {
    const { code, stdout, stderr } = await onTerminal(...args);
    expect(code).toBe(2);
    expect(stderr).toContain('{1b}');
    expect(stdout + stderr).not.toMatch(steers);
  });

  it('so is what a file has, as JSON too', async () => {
    const folder = folderOf({ 'config.json': { [attack]: attack }, 'model.safetensors': '' });
    const { stderr } = await onTerminal('inspect', folder);
    expect(stderr).toMatch(/expected/);
    expect(stderr).not.toMatch(steers);
    const json = await onTerminal('segment', '--prompt', 'x', attack.replace('\0', ''), '--json');
    expect(json.stdout.replaceAll(/\\u[0-9a-f]{4}/g, '')).not.toMatch(steers);
  });
});
