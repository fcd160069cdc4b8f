/**
 * One macro-step: the data's way through embedder, base, features, micro-step decoder and heads, with the tensors of the step that is chosen.
 *
 * @module
 */

import { type Html, html } from '../../html.ts';
import type { ExplainedMacroStep, Explanation, MacroStepDetail } from '../explanation.ts';
import { MOST_DETAILED } from '../record.ts';
import {
  counted,
  endText,
  gauge,
  heatCaption,
  heatPicture,
  hue,
  segmentText,
  share,
  shortSpelling,
  spelling,
  tokenClass,
} from './common.ts';
import { thresholdOf } from './text.ts';

/** A macro-step with its tensors. */
interface Detailed {
  readonly m: number;
  readonly step: ExplainedMacroStep;
  readonly detail: MacroStepDetail;
}

/** The macro-steps whose tensors there are. */
function detailed({ macroSteps }: Explanation): readonly Detailed[] {
  return macroSteps.flatMap((step, m) => (step.detail === null ? [] : [{ m, step, detail: step.detail }]));
}

/** The step that is shown at first: one that begins with a merged segment and emits several tokens, if there is one. */
function firstShown(steps: readonly Detailed[]): number {
  const merging = steps.filter(({ detail }) => detail.embedder?.merger !== null && detail.embedder !== null);
  const several = merging.find(({ step }) => step.tokens.length > 1) ?? merging[0];
  return (several ?? steps.find(({ step }) => step.tokens.length > 1) ?? steps[0])?.m ?? 0;
}

/** Radio buttons, so that arrow keys go from step to step; what belongs to the chosen one is shown by the style sheet alone. */
export function stepChooser(explanation: Explanation): Html {
  const steps = detailed(explanation);
  const shown = firstShown(steps);
  const choices = steps.map(({ m, step }) => {
    const text = shortSpelling({ id: 0, text: segmentText(step.tokens) }, 14);
    const checked = m === shown ? html` checked` : null;
    return html`<span class="choice"><input type="radio" name="step" id="step-${m}"${checked}><label for="step-${m}" class="${hue(m)}"><b>${m}</b> <span class="code">${text}</span></label></span>`;
  });
  const left = explanation.macroSteps.length - steps.length;
  const more =
    left === 0 || steps.length === 0
      ? null
      : html`<p class="note">Tensors are kept of the first ${MOST_DETAILED} macro-steps; ${left} more followed.</p>`;
  return html`<fieldset class="steps"><legend>Choose a macro-step</legend><div class="choices">${choices}</div></fieldset>${more}`;
}

/** Something for each step, of which the style sheet shows the chosen one. */
function each(explanation: Explanation, show: (one: Detailed) => Html): Html[] {
  return detailed(explanation).map((one) => html`<div class="of-step of-step-${one.m}">${show(one)}</div>`);
}

/** Rules that show what belongs to the chosen step. */
export const STEP_RULES = Array.from(
  { length: MOST_DETAILED },
  (_, m) => `.explanation:has(#step-${m}:checked) .of-step-${m}`,
).join(',\n');

/** Compositional embedder. */
export function embedderView(explanation: Explanation): Html[] {
  const { macroSteps, prompt, settings, model } = explanation;
  return each(explanation, ({ m, detail: { embedder } }) => {
    if (m === 0) {
      return html`<p>The first macro-step takes the prompt, which is never merged: ${counted(prompt.length, 'token')}, ${counted(prompt.length, 'entry', 'entries')}. Each enters as its row of the embedding table, ${model.d} numbers.</p>`;
    }
    const { tokens } = macroSteps[m - 1]!;
    if (embedder === null || settings.mode === 'base') {
      return html`<p>The base alone: the token <span class="chip ${hue(m - 1)}">${segmentText(tokens)}</span> enters as its row of the embedding table.</p>`;
    }
    const { merger, output } = embedder;
    if (merger === null) {
      return html`<p>Macro-step ${m - 1} emitted one token, <span class="chip ${hue(m - 1)}">${segmentText(tokens)}</span>. A single token is its own embedding, to the bit; the merger is not run.</p>
<dl class="tensors"><dt>${heatCaption(output, 'entry')}</dt><dd>${heatPicture(output, 'Embedding of the token')}</dd></dl>`;
    }
    const heads = merger.weights;
    const rows = tokens.map((token, j) => {
      const one = { ...merger.embeddings, rows: 1, levels: rowOf(merger.embeddings, j) };
      const bars = heads.map(
        (row, h) =>
          html`<rect class="bar" x="${h * 12}" y="${(20 * (1 - row[j]!)).toFixed(2)}" width="9" height="${(20 * row[j]!).toFixed(2)}"/>`,
      );
      const told = heads.map((row, h) => `head ${h}: ${share(row[j]!)}`).join(', ');
      return html`<tr><th scope="row"><span class="chip ${hue(m - 1)}">${spelling(token)}</span></th><td class="wide">${heatPicture(one, `Embedding of token ${j}`)}</td><td><svg class="bars" viewBox="0 0 ${heads.length * 12} 20" width="${heads.length * 12}" height="20" role="img" aria-label="attention of the merger to token ${j}: ${told}"><path class="grid" d="M0 19.5H${heads.length * 12}"/>${bars}</svg></td></tr>`;
    });
    return html`<p>The ${counted(tokens.length, 'token')} of macro-step ${m - 1} become one vector. Their mean asks, in ${heads.length} heads, which of them matter; what the heads bring together is added to the mean.</p>
<table class="merger"><thead><tr><th scope="col">token</th><th scope="col">embedding</th><th scope="col">attention</th></tr></thead><tbody>${rows}</tbody></table>
<dl class="tensors">
<dt>${heatCaption(merger.mean, 'mean')}</dt><dd>${heatPicture(merger.mean, 'Mean of the embeddings')}</dd>
<dt>${heatCaption(merger.added, 'added by the merger')}</dt><dd>${heatPicture(merger.added, 'Output of the merger')}</dd>
<dt>${heatCaption(output, 'entry')}</dt><dd>${heatPicture(output, 'The new entry')}</dd>
</dl>`;
  });
}

function rowOf(map: { readonly columns: number; readonly levels: readonly (number | null)[] }, row: number) {
  return map.levels.slice(row * map.columns, (row + 1) * map.columns);
}

/** The base's pass. */
export function baseView(explanation: Explanation): Html[] {
  const { prompt, macroSteps, model } = explanation;
  const named = (entry: number): Html => {
    if (entry < prompt.length)
      return html`<span class="chip prompt-chip">${spelling(prompt[entry]!)}</span> of the prompt`;
    const m = entry - prompt.length;
    return html`<span class="chip ${hue(m)}">${shortSpelling({ id: 0, text: segmentText(macroSteps[m]!.tokens) }, 30)}</span> of macro-step ${m}`;
  };
  return each(explanation, ({ step, detail: { base } }) => {
    const { layers, attention, attended, earlierEntries } = base;
    const rows = step.positions.length;
    const place =
      rows === 1
        ? `One row, at position ${step.positions[0]}`
        : `${rows} rows, at positions 0 to ${rows - 1}`;
    const entries = earlierEntries + rows;
    return html`<p>${place}, through all ${model.L} layers. ${rows === 1 ? 'It sees' : 'The last one sees'} ${counted(entries, 'entry', 'entries')}${rows === 1 ? ', itself included' : ''}.</p>
<dl class="tensors">
<dt>${heatCaption(layers, 'residual stream after each layer, of the last row')}</dt>
<dd>${heatPicture(layers, 'Residual stream after each layer, the first on top')}</dd>
<dt>${heatCaption(attention, `attention to the entries, ${model.H} heads a layer`)}</dt>
<dd>${heatPicture(attention, 'Attention of the last row, a row for each head of each layer, a column for each entry', 5)}${underline(prompt.length, entries, attention.columns)}</dd>
</dl>
<p class="small">It looks most at ${attended.map(({ entry, weight }, i) => html`${i === 0 ? '' : i === attended.length - 1 ? ' and ' : ', '}${named(entry)} (${(weight * 100).toFixed(0)} %)`)}.</p>`;
  });
}

/** Which columns are the prompt's, and which are segments'. */
function underline(promptEntries: number, entries: number, columns: number): Html {
  const end = (promptEntries / entries) * columns;
  const rest =
    entries === promptEntries
      ? null
      : html`<path class="segments-line" d="M${end.toFixed(2)} 2H${columns}"/>`;
  return html`<svg class="under" viewBox="0 0 ${columns} 4" width="100%" height="6" preserveAspectRatio="none" aria-hidden="true"><path class="prompt-line" d="M0 2H${end.toFixed(2)}"/>${rest}</svg><span class="small quiet">${promptEntries} entries of the prompt${entries === promptEntries ? '' : `, then ${counted(entries - promptEntries, 'entry', 'entries')} of segments`}</span>`;
}

/** Features. */
export function featuresView(explanation: Explanation): Html[] {
  const { featureLayers, L } = explanation.model;
  return each(explanation, ({ detail: { features } }) => {
    const rows = featureLayers.map((layer, i) => {
      const what = `after layer ${layer}${i === featureLayers.length - 1 ? `, the last of ${L}: normed` : ''}`;
      const one = features[i]!;
      return html`<dt>${heatCaption(one, what)}</dt><dd>${heatPicture(one, `Feature ${i}`)}</dd>`;
    });
    return html`<dl class="tensors">${rows}</dl>`;
  });
}

/** Micro-step decoder. */
export function microStepsView(explanation: Explanation): Html[] {
  const { featureLayers, microLayers } = explanation.model;
  const F = featureLayers.length;
  if (microLayers === 0)
    return each(
      explanation,
      () => html`<p>A plain base has none: its macro-step ends after the first token.</p>`,
    );
  return each(explanation, ({ m, step, detail }) => {
    const cards = detail.microSteps.map(({ attended, hidden }, i) => {
      if (attended === null) {
        return html`<li><h4>micro-step 0</h4><p class="small">The decoder is skipped: the hidden state is the last feature, so the first token is the base's own.</p>${heatPicture(hidden, 'Hidden state at micro index 0')}</li>`;
      }
      const sees = attended.map((weight, j) => {
        const name = j < F ? `f${j}` : spelling(step.tokens[j - F]!);
        return html`<li><span class="${j < F ? 'chip feature' : `chip ${hue(m)}`}">${name}</span><svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="bar" width="${(weight * 100).toFixed(1)}" height="8"/></svg><span class="value">${share(weight)}</span></li>`;
      });
      return html`<li><h4>micro-step ${i}</h4><p class="small">reads ${i === 1 ? 'the features and' : 'only'} <span class="chip ${hue(m)}">${spelling(step.tokens[i - 1]!)}</span>, attends to</p><ol class="sees">${sees}</ol>${heatPicture(hidden, `Hidden state at micro index ${i}`)}</li>`;
    });
    const [first] = detail.microSteps;
    return html`<ol class="micro-steps">${cards}</ol><p class="small">${heatCaption(first!.hidden, 'each strip is the hidden state of a token')}; attention is the mean over heads${microLayers > 1 ? ' and layers' : ''}.${detail.microSteps.length === 1 ? ' This macro-step ended after its first token, so the decoder did not run.' : ''}</p>`;
  });
}

/** Both heads. */
export function headsView(explanation: Explanation): Html[] {
  const threshold = thresholdOf(explanation);
  return each(explanation, ({ m, step, detail }) => {
    const cards = detail.microSteps.map(({ likeliest }, i) => {
      const token = step.tokens[i]!;
      const rows = likeliest.map(({ id, text, probability }) => {
        const chosen = id === token.id;
        return html`<li class="${chosen ? 'chosen' : ''}"><span class="code">${shortSpelling({ id, text }, 12)}</span><svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="bar" width="${(probability * 100).toFixed(1)}" height="8"/></svg><span class="value">${share(probability)}</span></li>`;
      });
      const stop =
        token.confidence === null
          ? null
          : html`<p class="stop"><span>continue confidence</span> ${gauge(token.confidence, threshold)} <span class="value">${share(token.confidence)}</span></p>`;
      const verdict = token.end === null ? 'goes-on' : 'ends';
      return html`<li><h4>token ${i}: <span class="chip ${tokenClass(m, token.probability)}">${spelling(token)}</span></h4><ol class="likeliest">${rows}</ol>${stop}<p class="verdict ${verdict}">${endText(token, explanation)}</p></li>`;
    });
    return html`<ol class="micro-steps">${cards}</ol>`;
  });
}

/** What flows from one part to the next. */
export function flow(explanation: Explanation, what: (one: Detailed) => string): Html {
  return html`<div class="flow" aria-hidden="true">${each(explanation, (one) => html`<span>${what(one)}</span>`)}</div>`;
}

/** Dimensions, for the shapes of {@link flow}. */
export function rowsOf({ step }: Detailed): number {
  return step.positions.length;
}
