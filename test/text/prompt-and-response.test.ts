import { describe, expect, it } from 'vitest';
import { DataError } from '../../lib/errors.ts';
import { encodeConversation, encodePair } from '../../lib/text/prompt-and-response.ts';
import { loadTokenizer } from '../../lib/text/tokenizer.ts';
import { llama2Like, llama3Like } from './tokenizers.ts';

const load = ({ tokenizer, config }: { tokenizer: unknown; config: unknown }) =>
  loadTokenizer(tokenizer, config, 'folder');
const llama3 = load(llama3Like());
const llama2 = load(llama2Like());

describe('a prompt and its response', () => {
  it.each([
    ['llama 3', llama3],
    ['llama 2', llama2],
  ])(
    '%s: the prompt is encoded as it is to be continued, and both together spell the whole text',
    (_, tokenizer) => {
      const { prompt, response } = encodePair(tokenizer, 'hello', ' the hello');
      expect(prompt).toEqual({ ids: tokenizer.encode('hello'), text: 'hello' });
      expect(response.text).toBe(' the hello');
      // Llama 2's tokenizer would put one more space before a response that it is given alone.
      expect([...prompt.ids, ...response.ids]).toEqual(tokenizer.encode('hello the hello'));
    },
  );

  it('a token that lies across the boundary is not used: the prompt alone could not be followed by it', () => {
    // "he" + "llo" would be one token.
    expect(llama3.encode('hello')).toHaveLength(2);
    const { prompt, response } = encodePair(llama3, 'he', 'llo');
    expect(prompt.ids).toEqual(llama3.encode('he'));
    expect(response.ids).toEqual(llama3.encodeWithoutSpecials('llo'));
  });

  it('without a prompt it is BOS, once', () => {
    const { prompt, response } = encodePair(llama3, '', 'hello');
    expect(prompt).toEqual({ ids: [llama3.bosToken!.id], text: '' });
    expect([...prompt.ids, ...response.ids]).toEqual(llama3.encode('hello'));
  });

  it('without a prompt and without BOS it is refused', () => {
    const { tokenizer } = llama3Like();
    const without = load({ tokenizer: { ...tokenizer, post_processor: null }, config: {} });
    expect(() => encodePair(without, '', 'hello')).toThrow(DataError);
    expect(() => encodePair(without, '', 'hello')).toThrow(
      'tokenizer: expected a token that begins a text, to stand for the prompt, found none. Give a prompt',
    );
  });
});

describe('a conversation', () => {
  const template =
    "{{ bos_token }}{% for message in messages %}<{{ message['role'] }}>{{ message['content'] | trim }}<|eot_id|>{% endfor %}" +
    '{% if add_generation_prompt %}<assistant>{% endif %}';
  const tokens = { bosToken: '<|begin_of_text|>', eosToken: '<|eot_id|>' };

  it('the prompt is what the model is given to answer; the response has the tokens that end an answer', () => {
    const pair = { prompt: ' the ', response: 'hello' };
    const { prompt, response } = encodeConversation(llama3, template, pair, tokens, 'template');
    expect(prompt.text).toBe('<|begin_of_text|><user>the<|eot_id|><assistant>');
    expect(response.text).toBe('hello<|eot_id|>');
    expect(prompt.ids).toEqual(llama3.encodeWithoutSpecials(prompt.text));
    expect(response.ids).toEqual(llama3.encodeWithoutSpecials(response.text));
    // BOS stands in the text, and is not put before it once more.
    expect(prompt.ids.filter((id) => id === llama3.bosToken!.id)).toHaveLength(1);
  });

  it('a template that does not go on from there is refused', () => {
    const other = '{{ messages | length }}';
    expect(() =>
      encodeConversation(llama3, other, { prompt: 'a', response: 'b' }, tokens, 'template'),
    ).toThrow(
      'template: expected a conversation to begin with what the model is given to answer, found one that does not',
    );
  });
});
