/**
 * Macro-steps and micro-steps: which token came from which, and what each took, to scale.
 *
 * @module
 */

import { type Html, html } from '../../html.ts';
import type { Explanation } from '../explanation.ts';
import { counted, hue, share, spelling, thousands, tokenClass } from './common.ts';

const WIDTH = 960;
const LANE = 34;
const [FIRST_LANE, SECOND_LANE, HEIGHT] = [26, 96, 168];

/** Tokens by macro-step and micro index, and the two decoders side by side in the order of their work. */
export function timelineView(explanation: Explanation): Html {
  return html`${ladder(explanation)}${lanes(explanation)}`;
}

/** A row for each macro-step, a column for each micro index. */
function ladder({ macroSteps, settings }: Explanation): Html {
  const columns = Math.max(...macroSteps.map(({ tokens }) => tokens.length));
  const heads = Array.from({ length: columns }, (_, i) => html`<th scope="col">${i}</th>`);
  const rows = macroSteps.map(({ tokens, positions }, m) => {
    const entered = m === 0 ? counted(positions.length, 'prompt token') : `1 entry, position ${positions[0]}`;
    const cells = tokens.map(
      (token) =>
        html`<td class="${tokenClass(m, token.probability)}" title="probability ${share(token.probability)}">${spelling(token)}</td>`,
    );
    const empty = columns - tokens.length;
    return html`<tr><th scope="row">${m}</th><td class="entered">${entered}</td>${cells}${empty === 0 ? null : html`<td class="empty" colspan="${empty}"></td>`}</tr>`;
  });
  const note = settings.mode === 'base' ? 'The base alone emits one token in each pass.' : null;
  return html`<div class="scroll" tabindex="0"><table class="ladder"><thead><tr><td colspan="2"></td><th scope="col" class="origin">the base</th>${columns > 1 ? html`<th scope="colgroup" class="origin" colspan="${columns - 1}">the micro-step decoder</th>` : null}</tr><tr><th scope="col">macro-step</th><th scope="col">enters the base</th>${heads}</tr></thead><tbody>${rows}</tbody></table></div>${note === null ? null : html`<p class="note">${note}</p>`}`;
}

/** One piece of a lane. */
interface Block {
  readonly width: number;
  readonly css: string;
  readonly told: string;
}

function lanes({ macroSteps, plainTraffic, prompt, settings }: Explanation): Html {
  const hamburger = macroSteps.flatMap(({ traffic, tokens }, m): Block[] => [
    ...(traffic.embedder === 0
      ? []
      : [
          {
            width: traffic.embedder,
            css: `embedder ${hue(m)}`,
            told: `macro-step ${m}: compositional embedder`,
          },
        ]),
    {
      width: traffic.base,
      css: `pass ${hue(m)}`,
      told: `macro-step ${m}: pass of the base${m === 0 ? ` over ${counted(prompt.length, 'prompt token')}` : ''}`,
    },
    ...traffic.microSteps.map((width, i) => ({
      width,
      css: `micro ${hue(m)}`,
      told: `macro-step ${m}, micro-step ${i}: ${spelling(tokens[i]!)}`,
    })),
  ]);
  const plain = plainTraffic.map(
    (width, n): Block => ({
      width,
      css: 'pass plain',
      told: n === 0 ? `pass over the prompt` : `pass for token ${n}`,
    }),
  );
  const total = (blocks: readonly Block[]) => blocks.reduce((sum, { width }) => sum + width, 0);
  const [ours, theirs] = [total(hamburger), total(plain)];
  const scale = WIDTH / Math.max(ours, theirs, 1);
  const passes = counted(macroSteps.length, 'pass', 'passes');
  const label = `This run reads ${million(ours)} numbers from memory in ${passes} of the base; a plain decoder reads ${million(theirs)} in ${plainTraffic.length}.`;
  const name = settings.mode === 'base' ? 'this run' : 'HAMburger';
  return html`<div class="scroll" tabindex="0"><svg class="chart lanes" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${label}">
<text x="0" y="16">${name}: ${passes} of the base</text>
${lane(hamburger, FIRST_LANE, scale)}
<text x="0" y="${SECOND_LANE - 10}">a plain decoder: ${counted(plainTraffic.length, 'pass', 'passes')}</text>
${lane(plain, SECOND_LANE, scale)}
${axis(Math.max(ours, theirs), scale)}
</svg></div>
<ul class="legend"><li><span class="swatch block-pass"></span> a pass of the base</li>${settings.mode === 'base' ? null : html`<li><span class="swatch block-micro"></span> micro-steps and heads</li><li><span class="swatch block-embedder"></span> compositional embedder</li>`}</ul>
<p class="note">Widths are numbers read from memory (weights, keys and values), which is what decoding takes its time for: ${million(ours)} here, ${million(theirs)} for a plain decoder of as many tokens${ours > 0 ? html`, <strong>${(theirs / ours).toFixed(2)} times</strong> as many` : null}. The pass over the prompt reads its weights once, whatever its length.</p>`;
}

function lane(blocks: readonly Block[], y: number, scale: number): Html[] {
  let x = 0;
  return blocks.map(({ width, css, told }) => {
    const left = x;
    x += width * scale;
    // A hairline between neighbours, where there is room for one.
    const gap = width * scale > 2 ? 0.8 : 0;
    const micro = css.startsWith('micro');
    return html`<rect class="block ${css}" x="${left.toFixed(2)}" y="${micro ? y + 8 : y}" width="${Math.max(width * scale - gap, 0.4).toFixed(2)}" height="${micro ? LANE - 16 : LANE}"><title>${told}</title></rect>`;
  });
}

function axis(most: number, scale: number): Html {
  const y = SECOND_LANE + LANE + 14;
  return html`<path class="axis" d="M0 ${y}h${(most * scale).toFixed(2)}"/><text class="quiet" x="0" y="${y + 18}">0</text><text class="quiet end" x="${(most * scale).toFixed(2)}" y="${y + 18}">${million(most)} numbers read</text>`;
}

function million(count: number): string {
  return count < 1e5 ? thousands(count) : `${(count / 1e6).toFixed(1)} million`;
}
