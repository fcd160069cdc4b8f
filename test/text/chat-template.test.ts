import { describe, expect, it } from 'vitest';
import { DataError } from '../../lib/errors.ts';
import {
  type ChatMessage,
  type ChatOptions,
  chatTemplateOf,
  renderChat,
} from '../../lib/text/chat-template.ts';

const options: ChatOptions = { bosToken: '<s>', eosToken: '</s>', addGenerationPrompt: true };
const user = (content: string): ChatMessage => ({ role: 'user', content });

function refusal(template: string, messages: readonly ChatMessage[] = []): string {
  try {
    renderChat(template, messages, options, 'config');
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return (error as Error).message;
  }
  throw new Error('was rendered');
}

/** In the manner of Llama 3's: blocks on lines of their own, a date, a system message, roles in turns. */
const TEMPLATE = `{{- bos_token }}
{%- if date_string is not defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|system|>\\nToday: " + date_string + "\\n" + system_message + "<|end|>" }}
{%- for message in messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('roles must take turns') }}
    {%- endif %}
    {{- '<|' + message['role'] + '|>\\n' + message['content'] | trim + '<|end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>\\n' }}
{%- endif %}
`;

describe('renderChat', () => {
  const messages: ChatMessage[] = [
    { role: 'system', content: ' Be brief. ' },
    user('1 < 2 & "so"?\n'),
    { role: 'assistant', content: 'Yes {{ bos_token }}.' },
    user('Why?'),
  ];
  /** From Python's jinja2 3.1.6, `trim_blocks` and `lstrip_blocks` on, with the same template and messages. */
  const rendered =
    '<s><|system|>\nToday: 26 Jul 2024\nBe brief.<|end|><|user|>\n1 < 2 & "so"?<|end|>' +
    '<|assistant|>\nYes {{ bos_token }}.<|end|><|user|>\nWhy?<|end|>';

  it('renders a conversation as the original template engine does; contents are not templates', () => {
    expect(renderChat(TEMPLATE, messages, options)).toBe(`${rendered}<|assistant|>\n`);
    expect(renderChat(TEMPLATE, messages, { ...options, addGenerationPrompt: false })).toBe(rendered);
  });

  it('gives the same text every day', () => {
    expect(renderChat('{{ strftime_now is defined }}', [], options)).toBe('false');
    expect(refusal('{{ strftime_now("%Y") }}')).toMatch(
      /^config: expected a template that works, found an error: /,
    );
  });

  it('leaves tokens that the tokenizer does not have empty', () => {
    expect(
      renderChat('[{{ bos_token }}{{ eos_token }}]', [], { ...options, bosToken: null, eosToken: null }),
    ).toBe('[]');
    expect(renderChat('[{{ bos_token }}{{ eos_token }}]', [], options)).toBe('[<s></s>]');
    // Also where a template puts texts together, which fails for none.
    const none = { ...options, bosToken: null, eosToken: null };
    expect(renderChat("{{ bos_token + 'a' + eos_token }}", [], none)).toBe('a');
  });

  it('takes off the line feed behind a block and the indentation before it, as templates expect', () => {
    expect(renderChat('a\n  {% if true %}\nb\n  {% endif %}\nc', [], options)).toBe('a\nb\nc');
  });

  it('knows the constants in both spellings, and range', () => {
    expect(
      renderChat(
        '{{ true and True and not false and not False and none is none and None is none }}',
        [],
        options,
      ),
    ).toBe('true');
    const loop = (list: string): string =>
      renderChat(`{% for i in ${list} %}{{ i }},{% endfor %}`, [], options);
    expect(loop('range(3)')).toBe('0,1,2,');
    expect(loop('range(2, 5)')).toBe('2,3,4,');
    expect(loop('range(5, 0, -2)')).toBe('5,3,1,');
    expect(loop('range(0, 5, 2)')).toBe('0,2,4,');
    expect(loop('range(3, 3)')).toBe('');
    expect(loop('range(3, 0)')).toBe('');
  });

  it('says that the template refuses the conversation, and what it says', () => {
    const found = refusal(TEMPLATE, [user('a'), user('b')]);
    expect(found).toBe(
      'config: expected a conversation that it accepts, found the refusal "roles must take turns"',
    );
  });

  it('shows a refusal without control characters', () => {
    expect(refusal("{{ raise_exception(messages[0]['content']) }}", [user('\u001b[2J\u202e')])).toMatch(
      /"\\u001b\[2J\\u\{202e\}"$/,
    );
  });

  it.each([
    ['{% if %}'],
    ['{{ '],
    ['{% for x in y %}'],
    ['{{ messages[0].content.nothing() }}'],
    ['{{ nothing() }}'],
    ['{{ "a" | no_such_filter }}'],
    ['{{ range("x") }}'],
    ['{{ range(1, 2, 0) }}'],
    // Would take gigabytes.
    ['{{ range(10000000000) }}'],
    ['('.repeat(100_000)].map((text) => `{{ ${text} }}`) as [string],
  ])('reports a broken template: %.40s', (template) => {
    expect(refusal(template, [user('a')])).toMatch(
      /^config: expected a template that works, found an error: "/,
    );
  });
});

describe('chatTemplateOf', () => {
  it('finds the template, alone or as the default of several', () => {
    expect(chatTemplateOf({ chat_template: 'a' }, 'f')).toBe('a');
    const several = [
      { name: 'tool_use', template: 'b' },
      { name: 'default', template: 'c' },
    ];
    expect(chatTemplateOf({ chat_template: several }, 'f')).toBe('c');
  });

  it.each([[{}], [{ chat_template: null }], [null], [undefined], [1], [[]]])('finds none in %j', (config) => {
    expect(chatTemplateOf(config, 'f')).toBeNull();
  });

  it.each(
    [1, {}, [], [null], ['a'], [{ name: 'other', template: 'a' }], [{ name: 'default' }]].map((value) => [
      value,
    ]),
  )('refuses the template %j', (value) => {
    expect(() => chatTemplateOf({ chat_template: value }, 'f')).toThrow(DataError);
  });
});
