/**
 * Patterns of strangers: the only door to `@eslint-community/regexpp`.
 *
 * A regular expression that the engine runs by trying can take time that grows exponentially with the text. Those that tokenizers
 * are split by do not need what makes that possible. Here it is refused, before anything is matched.
 *
 * @module
 */

import { type AST, RegExpParser } from '@eslint-community/regexpp';
import { DataError, show } from '../errors.ts';

/** Longest pattern. Published ones have at most a few hundred characters. */
export const MAX_PATTERN_LENGTH = 4096;

/** Largest count in a pattern, as in `a{2,9}`: what is counted is copied when the pattern is compiled. Published ones have 3. */
const MAX_COUNT = 256;

/** How many repetitions without end may follow each other in one alternative: the time is at most a power of the text's length by one more. */
const MAX_ENDLESS = 2;

/** In how many ways the optional parts of one alternative may be there or not. */
const MAX_CHOICES = 256;

/** What an alternative can cost: repetitions without end, and ways to choose what is optional. */
interface Cost {
  readonly endless: number;
  readonly choices: number;
}

const FREE: Cost = { endless: 0, choices: 1 };
const both = (a: Cost, b: Cost): Cost => ({ endless: a.endless + b.endless, choices: a.choices * b.choices });
const worse = (a: Cost, b: Cost): Cost => ({
  endless: Math.max(a.endless, b.endless),
  choices: Math.max(a.choices, b.choices),
});

/**
 * Refuses a pattern unless matching it takes time that is bounded by a small power of the text's length:
 *
 * - what is repeated is a single character or class, so that no text can be divided among repetitions in many ways;
 * - at most {@link MAX_ENDLESS} repetitions without end follow each other, and few parts are optional;
 * - counts are small, and there are no references back.
 *
 * @param pattern as it will be run
 * @throws DataError
 */
export function checkPattern({ source, flags }: RegExp, subject: string): void {
  const refuse = (expected: string, found: string): never => {
    throw new DataError({ subject: `${subject}, pattern ${show(source)}`, expected, found });
  };

  const costOf = (node: AST.Element | AST.Alternative): Cost => {
    switch (node.type) {
      case 'Alternative':
        return node.elements.map(costOf).reduce(both, FREE);
      case 'Group':
      case 'CapturingGroup':
        return node.alternatives.map(costOf).reduce(worse, FREE);
      case 'Assertion':
        return 'alternatives' in node ? node.alternatives.map(costOf).reduce(worse, FREE) : FREE;
      case 'Quantifier':
        return costOfQuantifier(node);
      case 'Backreference':
        return refuse('no reference back', node.raw);
      default:
        return FREE;
    }
  };

  const costOfQuantifier = ({ element, min, max, raw }: AST.Quantifier): Cost => {
    if (max <= 1) return both(costOf(element), { endless: 0, choices: 2 });
    const single = ['Character', 'CharacterSet', 'CharacterClass'].includes(element.type);
    if (!single) refuse('only single characters and classes to be repeated', raw);
    if (min > MAX_COUNT || (max > MAX_COUNT && max !== Number.POSITIVE_INFINITY))
      refuse(`counts of at most ${MAX_COUNT}`, raw);
    return max === Number.POSITIVE_INFINITY
      ? { endless: 1, choices: 1 }
      : { endless: 0, choices: max - min + 1 };
  };

  if (source.length > MAX_PATTERN_LENGTH)
    refuse(`at most ${MAX_PATTERN_LENGTH} characters`, `${source.length}`);
  const { endless, choices } = parsed(source, flags, refuse).alternatives.map(costOf).reduce(worse, FREE);
  if (endless > MAX_ENDLESS)
    refuse(`at most ${MAX_ENDLESS} repetitions without end after each other`, `${endless}`);
  if (choices > MAX_CHOICES) refuse(`at most ${MAX_CHOICES} ways to choose what is optional`, `${choices}`);
}

function parsed(
  source: string,
  flags: string,
  refuse: (expected: string, found: string) => never,
): AST.Pattern {
  try {
    return new RegExpParser().parsePattern(source, 0, source.length, {
      unicode: flags.includes('u'),
      unicodeSets: flags.includes('v'),
    });
  } catch (error) {
    return refuse('a pattern that can be looked into', String(error));
  }
}
