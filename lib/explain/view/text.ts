/**
 * The output text: hue by macro-step, shade by probability, and below each token its continue confidence.
 *
 * @module
 */

import { type Html, html } from '../../html.ts';
import type { ExplainedToken, Explanation } from '../explanation.ts';
import { endText, gauge, LEAST_PROBABILITIES, share, spelling, tokenClass } from './common.ts';

/** Prompt and output. */
export function textView(explanation: Explanation): Html {
  const { macroSteps, prompt, settings } = explanation;
  const threshold = thresholdOf(explanation);
  return html`<p class="prompt"><span class="tag">prompt</span> ${prompt.map((token) => html`<span class="prompt-token">${token.text ?? spelling(token)}</span>`)}</p>
<div class="text">${macroSteps.map(({ tokens }, m) => tokens.map((token, i) => tokenBox(explanation, token, m, i, threshold)))}</div>
<ul class="legend">
<li><span class="swatch even s0"></span><span class="swatch odd s0"></span> one macro-step, the next</li>
<li>${LEAST_PROBABILITIES.map((least, s) => html`<span class="swatch even s${s}"></span>${least} `)} probability of at least</li>
${settings.mode === 'base' ? null : html`<li><span class="gauge-sample">${gauge(0.9, threshold)}</span> continue confidence${threshold === null ? '' : html`, and the threshold ${threshold} it has to reach`}</li>`}
</ul>
<details><summary>The same as a table</summary>${tokenTable(explanation)}</details>`;
}

/** Where the bars have their mark: at the threshold, or where p = 0.5. */
export function thresholdOf({ settings }: Explanation): number | null {
  return settings.mode === 'base' ? null : (settings.confidence ?? 0.5);
}

function tokenBox(
  explanation: Explanation,
  token: ExplainedToken,
  m: number,
  i: number,
  threshold: number | null,
): Html {
  const last = i === explanation.macroSteps[m]!.tokens.length - 1;
  const text = token.text ?? '';
  const [before, after] = [text.startsWith('\n'), text.lastIndexOf('\n') > 0];
  const place = `${i === 0 ? ' first' : ''}${last ? ' last' : ''}`;
  const stop = token.confidence === null ? null : gauge(token.confidence, threshold);
  const told = `macro-step ${m}, micro index ${i}: probability ${share(token.probability)}${
    token.confidence === null ? '' : `, continue confidence ${share(token.confidence)}`
  }; ${endText(token, explanation)}`;
  return html`${before ? html`<br>` : null}<span class="token ${tokenClass(m, token.probability)}${place}" title="${told}"><span class="spelling">${spelling(token)}</span>${stop}</span>${after ? html`<br>` : null}`;
}

function tokenTable(explanation: Explanation): Html {
  const rows = explanation.macroSteps.flatMap(({ tokens }, m) =>
    tokens.map(
      (token, i) =>
        html`<tr><td>${m}</td><td>${i}</td><td>${token.id}</td><td class="code">${spelling(token)}</td><td>${share(token.probability)}</td><td>${share(token.confidence)}</td><td class="words">${endText(token, explanation)}</td></tr>`,
    ),
  );
  return html`<div class="scroll" tabindex="0"><table class="numbers"><thead><tr><th>macro-step</th><th>micro index</th><th>id</th><th>token</th><th>probability</th><th>confidence</th><th>then</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}
