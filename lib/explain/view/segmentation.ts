/**
 * The entropies of the base over the text, and where each strategy of segmentation cuts it.
 *
 * @module
 */

import { scaleLinear } from 'd3-scale';
import { type Html, html } from '../../html.ts';
import type { Explanation } from '../explanation.ts';
import { hue, shortSpelling, spelling } from './common.ts';

const STEP = 19;
const LEFT = 108;
const TOP = 32;
const BARS = 120;
const LABELS = 86;
const ROW = 24;

/** A bar for each token, and a row of segments for each strategy. */
export function segmentationView(explanation: Explanation): Html {
  const { segmentation, macroSteps } = explanation;
  if (segmentation === null) {
    return html`<p class="note">The entropies need the base itself; only the tensors of this run are at hand.</p>`;
  }
  const tokens = macroSteps.flatMap((step) => step.tokens);
  const entropies = segmentation.tokens.map(({ entropy }) => entropy);
  const y = scaleLinear([0, Math.max(...entropies, 0.1)], [TOP + BARS, TOP]).nice(4);
  const at = (t: number) => LEFT + t * STEP;
  const bars = entropies.map((entropy, t) => {
    const top = y(entropy);
    const { probability } = segmentation.tokens[t]!;
    return html`<rect class="entropy" x="${at(t) + 3}" y="${(top - 0.5).toFixed(2)}" width="${STEP - 6}" height="${(TOP + BARS - top + 0.5).toFixed(2)}"><title>${spelling(tokens[t]!)}: entropy ${entropy.toFixed(3)} nats, probability ${probability.toFixed(3)}</title></rect>
<text class="code" transform="translate(${at(t) + STEP / 2 + 4} ${TOP + BARS + 8}) rotate(90)">${shortSpelling(tokens[t]!, 9)}</text>`;
  });
  const ticks = y
    .ticks(4)
    .map(
      (tick) =>
        html`<path class="grid" d="M${LEFT} ${y(tick).toFixed(2)}H${at(tokens.length)}"/><text class="quiet end" x="${LEFT - 8}" y="${(y(tick) + 4).toFixed(2)}">${tick}</text>`,
    );
  const rows = [
    { name: 'this run', sizes: macroSteps.map((step) => step.tokens.length), ours: true },
    ...segmentation.strategies.map(({ name, sizes }) => ({ name, sizes, ours: false })),
  ];
  const first = TOP + BARS + LABELS;
  const width = at(tokens.length) + 8;
  const height = first + rows.length * ROW + 6;
  const label = `Entropies of the base at ${tokens.length} tokens, the largest ${Math.max(...entropies, 0).toFixed(2)} nats. ${rows.map(({ name, sizes }) => `${name}: ${sizes.length} segments`).join('; ')}.`;
  return html`<div class="scroll" tabindex="0"><svg class="chart" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}">
<text class="quiet" x="${LEFT}" y="14">entropy of the base before each token, in nats</text>
${ticks}${bars}
${rows.map(({ name, sizes, ours }, r) => strategyRow(name, sizes, first + r * ROW, at, ours))}
</svg></div>
<div class="scroll" tabindex="0"><table class="numbers rules"><thead><tr><th>strategy</th><th>segments</th><th>a token joins if the base is surer than</th></tr></thead><tbody>
${segmentation.strategies.map(({ name, sizes, rule }) => html`<tr><td class="code">${name}</td><td>${sizes.length}</td><td class="words">${rule}</td></tr>`)}
</tbody></table></div>
<p class="note">Training data are cut like this: where the base is sure of a token, the token joins the segment before it. Here the base of this very model reads the finished text token by token, none merged, and each strategy
cuts with its published thresholds and at most ${explanation.model.M > 1 ? explanation.model.M : 4} tokens a segment; "this run" shows where the stop head has cut while the text was written.</p>`;
}

function strategyRow(
  name: string,
  sizes: readonly number[],
  y: number,
  at: (t: number) => number,
  ours: boolean,
): Html {
  let from = 0;
  const blocks = sizes.map((size, s) => {
    const first = from;
    from += size;
    return html`<rect class="${ours ? hue(s) : `plain-${hue(s)}`}" x="${at(first) + 1}" y="${y}" width="${size * STEP - 2}" height="${ROW - 7}" rx="3"/>`;
  });
  return html`<text class="${ours ? 'end' : 'end code'}" x="${LEFT - 8}" y="${y + 13}">${name}</text>${blocks}`;
}
