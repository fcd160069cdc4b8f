import { describe, expect, it } from 'vitest';
import { byteTokenizerConfigJson, byteTokenizerJson } from '../../lib/text/byte-tokenizer.ts';
import { loadTokenizer } from '../../lib/text/tokenizer.ts';
import { encodeSample, fitting, type Sample, tokensOf } from '../../lib/train/samples.ts';
import { faultOf } from '../helpers/checkpoint-folders.ts';

const tokenizer = loadTokenizer(byteTokenizerJson(), byteTokenizerConfigJson(), 'byte');
const options = { tokenizer, template: null, eosTokenId: 257, promptTokens: null, whole: false };
const bytes = (text: string) => [...Buffer.from(text)];
const bos = tokenizer.bosToken!.id;
const pair = (prompt: string, response: string) => ({ prompt, response, place: 'line 1' });

describe('samples', () => {
  it('recipe/R2: the response ends with EOS, which is learnt like any other token', () => {
    const sample = encodeSample(pair('ab', 'cd'), options);
    expect(sample.response).toEqual([...bytes('cd'), 257]);
    expect(sample.prompt).toEqual(tokenizer.encode('ab'));
    expect(encodeSample(pair('ab', 'cd'), { ...options, eosTokenId: null }).response).toEqual(bytes('cd'));
    expect(tokensOf(sample)).toBe(sample.prompt.length + 3);
  });

  it('recipe/R2: a whole text is learnt but for its first token', () => {
    const { prompt, response } = encodeSample(pair('', 'abc'), { ...options, whole: true });
    expect([prompt, response]).toEqual([[bos], [...bytes('abc'), 257]]);
    const both = encodeSample(pair('xy', 'abc'), { ...options, whole: true });
    expect([both.prompt, both.response]).toEqual([
      tokenizer.encode('xy').slice(0, 1),
      [...tokenizer.encode('xy').slice(1), ...bytes('abc'), 257],
    ]);
  });

  it('of a prompt its last tokens may be kept alone: what stands before is neither read nor learnt', () => {
    const { prompt, response } = encodeSample(pair('xyz', 'abc'), { ...options, promptTokens: 2 });
    expect([prompt, response]).toEqual([bytes('yz'), [...bytes('abc'), 257]]);
    const whole = encodeSample(pair('xyz', 'abc'), { ...options, promptTokens: 2, whole: true });
    expect([whole.prompt, whole.response]).toEqual([bytes('y'), [...bytes('zabc'), 257]]);
    const short = encodeSample(pair('x', 'abc'), { ...options, promptTokens: 9 });
    expect(short.prompt).toEqual(tokenizer.encode('x'));
  });

  it('recipe/R2: with a template, what it puts behind the answer is the end, and nothing else is added', () => {
    const template =
      '{% for m in messages %}<{{ m.role }}>{{ m.content }};{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}';
    const { prompt, response } = encodeSample(pair('a', 'b'), { ...options, template });
    expect([prompt, response]).toEqual([bytes('<user>a;<assistant>'), bytes('b;')]);
  });

  it('recipe/R2: nothing to learn is refused with its place', () => {
    const empty = () => encodeSample(pair('a', ''), { ...options, eosTokenId: null });
    expect(faultOf(empty)).toMatchObject({ rule: 'recipe/R2', subject: 'line 1' });
  });

  const sample = (place: string, tokens: number): Sample => ({
    prompt: [1],
    response: Array(tokens - 1).fill(2),
    place,
  });

  it('recipe/R4: what is too long is refused, or left out and counted; nothing is cut', () => {
    const samples = [sample('a', 5), sample('b', 6), sample('c', 2), sample('d', 9)];
    expect(faultOf(() => fitting(samples, 5, 'refuse'))).toMatchObject({
      rule: 'recipe/R4',
      subject: 'b',
      found: '6 (2 of 4 samples are too long)',
    });
    expect(fitting(samples, 5, 'skip')).toEqual({ samples: [samples[0], samples[2]], skipped: 2 });
    expect(fitting(samples, 9, 'refuse')).toEqual({ samples, skipped: 0 });
  });
});
