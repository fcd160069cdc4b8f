import { describe, expect, it } from 'vitest';
import { presets } from '../../lib/checkpoint/presets.ts';
import { configFault } from '../../lib/model/config.ts';
import { parameters } from '../../lib/model/weights.ts';
import { sizeOf } from '../../lib/tensor/tensor.ts';
import { byteTokenizerConfigJson, byteTokenizerJson } from '../../lib/text/byte-tokenizer.ts';
import { loadTokenizer } from '../../lib/text/tokenizer.ts';

const count = (name: string) =>
  parameters({ ...presets.get(name)!, hamburger: null }).reduce((sum, { shape }) => sum + sizeOf(shape), 0);

describe('presets', () => {
  it.each([...presets])('%s breaks no rule and has HAMburger modules', (_, config) => {
    expect(configFault(config)).toBeUndefined();
    expect(config.hamburger).not.toBeNull();
  });

  it('bases have as many parameters as the models are known for', () => {
    expect(count('llama-3.2-1b')).toBe(1_235_814_400);
    expect(count('stories15m')).toBe(15_191_712);
  });

  it('tiny agrees with the byte tokenizer about its ids', () => {
    const { vocabSize, bosTokenId, eosTokenIds } = presets.get('tiny')!;
    const tokenizer = loadTokenizer(byteTokenizerJson(), byteTokenizerConfigJson(), 'bytes');
    expect([vocabSize, bosTokenId, eosTokenIds]).toEqual([
      tokenizer.vocabularySize,
      tokenizer.bosToken!.id,
      [tokenizer.eosToken!.id],
    ]);
  });
});
