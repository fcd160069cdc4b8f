/**
 * The whole explanation as markup, to be put into a page.
 *
 * @module
 */

import { Html, html } from '../../html.ts';
import type { Explanation } from '../explanation.ts';
import { type PartId, parts, sectionPlaces } from '../parts.ts';
import type { SpecSection } from '../spec-sections.ts';
import { cacheView } from './cache.ts';
import { counted, magnitude, shapeText, thousands } from './common.ts';
import {
  baseView,
  embedderView,
  featuresView,
  flow,
  headsView,
  microStepsView,
  rowsOf,
  stepChooser,
} from './macro-step.ts';
import { segmentationView } from './segmentation.ts';
import { textView } from './text.ts';
import { timelineView } from './timeline.ts';

/** Where the pages are to find the project. */
export interface ViewOptions {
  /** The sections of SPEC.md, to stand beside what they specify. */
  readonly spec: readonly SpecSection[];
  /** Whether their text is in the page; by default it is. Otherwise they are linked alone. */
  readonly specText?: boolean;
  /**
   * The address of a file of the project, such as `SPEC.md` or `lib/model/base.ts`; `undefined` where there is none to be opened. By
   * default files are named and not linked, as a page can be anywhere.
   */
  readonly linkTo?: (path: string, anchor?: string) => string | undefined;
}

/** What each part is, in a sentence or two. */
const PROSE: Readonly<Record<PartId, string>> = {
  text: 'Tokens of one colour came out of one macro-step: one pass of the base. The stronger the shade, the less probable the token was. The bar below a token is its continue confidence: where it does not reach the mark, the macro-step ends.',
  cache:
    'A plain decoder keeps keys and values of every token. Here a whole segment, whatever its length, becomes one entry, so the cache grows by one for each macro-step.',
  timeline:
    'Every macro-step begins with one pass of the base, which gives the first token. The tokens after it come from the micro-step decoder, which is a few layers deep and reads little.',
  segmentation:
    'Which tokens can share a macro-step? Those of which the base is sure. The bars show its uncertainty at every token of this text, and the rows how the published strategies would cut it into segments for training.',
  embedder:
    'Makes one vector of the tokens of a segment: their mean, and on top of it what cross-attention from the mean to the tokens brings. The vector is the next entry of the base.',
  base: 'An ordinary Llama, which does not know that a row stands for several tokens. It runs once for each macro-step, and this pass is the expensive part.',
  features:
    'What the micro-step decoder gets to know of the base: the last row of the residual stream after a few chosen layers, the last of them through the final norm.',
  'micro-steps':
    'A shallow stack that begins anew in every macro-step. It reads the features and the tokens emitted so far in this macro-step, and gives the hidden state of the next token.',
  heads:
    'Both read the same hidden state. The LM head says which token comes next; the stop head how probable it is that the macro-step should end after it. What is left to 1 is the continue confidence.',
  run: 'The model, how it was decoded, and the rest of the specification: what numbers are, how a checkpoint is stored, how the modules were trained, and how another implementation is judged.',
};

/** Markup of an explanation. Put it into an element of the class `explanation`, with the style sheet of `style.ts`. */
export function explanationView(explanation: Explanation, options: ViewOptions): Html {
  if (explanation.macroSteps.length === 0) return html`<p class="note">No token was generated.</p>`;
  const part = (id: PartId, body: readonly (Html | null)[] | Html) => partView(id, body, options, 'h2');
  const inside = explanation.macroSteps.some(({ detail }) => detail !== null);
  return html`${part('text', textView(explanation))}
${part('cache', cacheView(explanation))}
${part('timeline', timelineView(explanation))}
${part('segmentation', segmentationView(explanation))}
<section class="inside" id="inside" aria-labelledby="inside-title"><h2 id="inside-title">Inside one macro-step</h2>
${inside ? html`<p class="lead">The data's way from a segment to the tokens of the next one, from top to bottom. All pictures are tensors of this run: blue is above 0, orange below.</p>${stepChooser(explanation)}` : html`<p class="note">The tensors of this run were not kept.</p>`}
${insideParts(explanation, (id, body) => partView(id, body, options, 'h3'))}
</section>
${part('run', runView(explanation))}`;
}

function insideParts(explanation: Explanation, part: (id: PartId, body: readonly Html[]) => Html): Html {
  const { d, featureLayers, V } = explanation.model;
  const F = featureLayers.length;
  return html`${part('embedder', embedderView(explanation))}
${flow(explanation, (one) => `${rowsOf(one) === 1 ? 'one entry' : `${rowsOf(one)} entries`} ${shapeText([rowsOf(one), d])}`)}
${part('base', baseView(explanation))}
${flow(explanation, (one) => `residual streams ${shapeText([rowsOf(one), d])}, the last row is read`)}
${part('features', featuresView(explanation))}
${flow(explanation, () => `${counted(F, 'feature')} ${shapeText([F, d])}`)}
${part('micro-steps', microStepsView(explanation))}
${flow(explanation, ({ step }) => `${counted(step.tokens.length, 'hidden state')} ${shapeText([1, d])}, logits ${shapeText([1, V])} each`)}
${part('heads', headsView(explanation))}`;
}

function partView(
  id: PartId,
  body: readonly (Html | null)[] | Html,
  options: ViewOptions,
  level: 'h2' | 'h3',
): Html {
  const { title } = parts.find((one) => one.id === id)!;
  return html`<section class="part part-${id}" id="${id}" aria-labelledby="${id}-title">
<div class="about">${new Html(`<${level} id="${id}-title">`)}${title}${new Html(`</${level}>`)}<p>${PROSE[id]}</p>${specLinks(id, options)}</div>
<div class="seen">${body}</div>
</section>`;
}

/** The sections of SPEC.md that a part shows, in full, with the files that transcribe them. */
function specLinks(id: PartId, { spec, specText = true, linkTo }: ViewOptions): Html {
  const linked = (path: string, anchor: string | undefined, text: string): Html => {
    const address = linkTo?.(path, anchor);
    return address === undefined
      ? html`<code>${text}</code>`
      : html`<a href="${address}"><code>${text}</code></a>`;
  };
  const items = sectionPlaces
    .filter(({ part }) => part === id)
    .flatMap(({ slug, code }) => {
      const section = spec.find((one) => one.slug === slug);
      if (section === undefined) return [];
      const files = code.map((path) => html` · ${linked(path, undefined, path)}`);
      const places = html`${linked('SPEC.md', section.anchor, `SPEC.md#${slug}`)}${files}`;
      if (!specText) return [html`<p class="places" id="spec-${slug}">${places}</p>`];
      return [
        html`<details class="spec"><summary>SPEC: ${section.title}</summary><div class="spec-text" id="spec-${slug}"><p class="places">${places}</p>${new Html(section.markup)}</div></details>`,
      ];
    });
  return html`<div class="specs">${items}</div>`;
}

function runView({ model, settings, stopReason }: Explanation): Html {
  const facts: readonly (readonly [string, string])[] = [
    ['parameters', thousands(model.parameters)],
    ['vocabulary V', thousands(model.V)],
    ['width d, feed-forward f', `${model.d}, ${model.f}`],
    ['layers L', `${model.L}`],
    ['heads H, Hkv, of size', `${model.H}, ${model.Hkv}, ${model.size}`],
    ...(model.Hm === null
      ? []
      : ([
          ['most tokens of a macro-step M', `${model.M}`],
          ['heads of the merger Hm', `${model.Hm}`],
          ['feature layers', model.featureLayers.join(', ')],
          ['layers of the micro-step decoder', `${model.microLayers}`],
        ] as const)),
    ['one KV entry', `${thousands(model.entryBytes)} bytes`],
    ['mode, profile', `${settings.mode}, ${settings.profile}`],
    ...(settings.mode === 'base'
      ? []
      : ([['confidence threshold', `${settings.confidence ?? 'none'}`]] as const)),
    ['numerics', settings.numerics],
    [
      'token choice',
      settings.temperature === 0
        ? 'the likeliest'
        : `temperature ${magnitude(settings.temperature)}${settings.seed === null ? '' : `, seed ${settings.seed}`}`,
    ],
    ['stopped', stopReason === null ? 'the tokens were given' : STOPPED[stopReason]],
  ];
  return html`<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

const STOPPED = {
  eos: 'at a token that ends the text',
  'stop-string': 'at a stop string',
  length: 'at the limit of output tokens',
  positions: 'at the last position',
} as const;
