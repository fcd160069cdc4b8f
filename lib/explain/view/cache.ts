/**
 * The KV cache as a grid of entries, beside the one that a plain decoder would hold.
 *
 * @module
 */

import { type Html, html } from '../../html.ts';
import type { Explanation } from '../explanation.ts';
import { counted, hue, segmentText, spelling, thousands } from './common.ts';

/** Both grids have a place for every token, so that what was merged can be compared. */
export function cacheView(explanation: Explanation): Html {
  const { prompt, macroSteps, entryPositions, plainEntries, model } = explanation;
  const T = prompt.length;
  const promptCells = prompt.map(
    (token, t) =>
      html`<span class="cell prompt-cell" title="entry ${t}, position ${t}: ${spelling(token)}"></span>`,
  );
  const merged = macroSteps.flatMap(({ tokens }, m) => {
    const entry = T + m;
    const held = entry < entryPositions.length;
    return tokens.map((token, i) => {
      const last = i === tokens.length - 1;
      if (held && last) {
        const told = `entry ${entry}, position ${entryPositions[entry]}: ${counted(tokens.length, 'token')}, ${segmentText(tokens)}`;
        return html`<span class="cell ${hue(m)}" title="${told}">${tokens.length === 1 ? '' : tokens.length}</span>`;
      }
      const why = held ? 'in the entry of its segment' : 'never fed back';
      return html`<span class="cell ghost" title="${spelling(token)}: no entry of its own, ${why}"></span>`;
    });
  });
  const plain = macroSteps
    .flatMap(({ tokens }, m) => tokens.map((token) => ({ token, m })))
    .map(({ token, m }, n) =>
      T + n < plainEntries
        ? html`<span class="cell ${hue(m)}" title="entry and position ${T + n}: ${spelling(token)}"></span>`
        : html`<span class="cell ghost" title="${spelling(token)}: never fed back"></span>`,
    );
  const entries = entryPositions.length;
  const name = explanation.settings.mode === 'base' ? 'this run' : 'HAMburger';
  return html`<div class="pair">
${grid(name, entries, `${counted(T, 'entry', 'entries')} of the prompt, ${thousands(entries - T)} of segments`, [promptCells, merged])}
${grid('a plain decoder', plainEntries, `${counted(T, 'entry', 'entries')} of the prompt, ${thousands(plainEntries - T)} of tokens`, [promptCells, plain])}
</div>
<p class="note">Every square is a place in the text. A filled square is an entry of the cache: keys and values of all ${model.L} layers, ${thousands(model.entryBytes)} bytes. The number in it says for how many tokens it stands;
the entry of a segment stands at the index of its last token, and the empty outlines before it are the entries that were saved. The last segment is never fed back.</p>`;
}

function grid(name: string, entries: number, told: string, cells: readonly (readonly Html[])[]): Html {
  return html`<figure class="cache"><figcaption><strong>${thousands(entries)}</strong> entries <span>${name}</span></figcaption>
<div class="cells" role="img" aria-label="${name}: ${thousands(entries)} KV entries, ${told}">${cells}</div></figure>`;
}
