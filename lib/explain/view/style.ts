/**
 * The style sheets. Colours are told apart by colour-blind readers, on light and on dark (the blue and the orange of Okabe and Ito).
 *
 * @module
 */

import { STEP_RULES } from './macro-step.ts';

const LIGHT = `
  --paper: #fdfcfa; --card: #ffffff; --ink: #1d2129; --quiet: #5b6270; --line: #e2e0db; --accent: #00558a;
  --even-0: #dcecf8; --even-1: #b9daf1; --even-2: #93c6e9; --even-3: #69b0de; --even: #2b86c0;
  --odd-0: #fceacb; --odd-1: #f8d79f; --odd-2: #f2c170; --odd-3: #e9a842; --odd: #c97a0a;
  --on-token: #14181f; --positive: #0072b2; --negative: #d55e00; --bad: #b3261e; --good: #00704a; --plain: #8b9099;`;

const DARK = `
  --paper: #14161a; --card: #1b1e24; --ink: #e7e8eb; --quiet: #a3a9b5; --line: #30353e; --accent: #7cc4f2;
  --even-0: #1c3345; --even-1: #1f4562; --even-2: #235a83; --even-3: #2871a8; --even: #5fb0e5;
  --odd-0: #3a2d17; --odd-1: #51390f; --odd-2: #6d4a0b; --odd-3: #8a5d08; --odd: #eaa63c;
  --on-token: #f6f7f9; --positive: #5cb8f5; --negative: #ff9a4d; --bad: #ff8a80; --good: #5fd3a4; --plain: #7d838d;`;

/** Of a page that holds an explanation and nothing else. */
export const pageStyle = `
:root { color-scheme: light dark; }
body { margin: 0; background: var(--paper); }
main { max-width: 76rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem; }
@media print { main { padding: 0; max-width: none; } }
`;

/** Levels of heat maps: the share of the full colour. */
const OPACITIES = [0.16, 0.3, 0.46, 0.63, 0.81, 1];

/** Of an explanation, wherever it stands. */
export const explanationStyle = `
:root {${LIGHT}
}
@media (prefers-color-scheme: dark) { :root {${DARK}
} }
@media print { :root {${LIGHT}
  --paper: #fff; } }
.explanation { color: var(--ink); font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
.explanation *, .explanation *::before { box-sizing: border-box; }
.explanation h1 { font-size: clamp(2rem, 6vw, 3.4rem); line-height: 1.1; letter-spacing: -.02em; margin: 0 0 1rem; font-weight: 700; }
.explanation h2 { font-size: 1.75rem; line-height: 1.2; letter-spacing: -.01em; margin: 0 0 .5rem; }
.explanation h3, .explanation .part h2 { font-size: 1.25rem; line-height: 1.3; margin: 0 0 .5rem; }
.explanation h4 { font-size: .875rem; margin: 0 0 .35rem; font-weight: 600; }
.explanation p { margin: 0 0 .75rem; }
.explanation a { color: var(--accent); text-underline-offset: .15em; }
.explanation :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
.explanation code, .explanation .code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .92em; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.explanation .opening { font-size: 1.125rem; max-width: 46rem; }
.explanation .lead { max-width: 46rem; color: var(--quiet); }
.explanation .note, .explanation .small { font-size: .875rem; color: var(--quiet); max-width: 52rem; }
.explanation .note { margin: .75rem 0 0; }
.explanation .quiet { color: var(--quiet); }
.explanation details summary { cursor: pointer; font-size: .875rem; color: var(--accent); padding: .2rem 0; }
.explanation .scroll { overflow-x: auto; max-width: 100%; }

.explanation .figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(44%, 9.5rem), 1fr)); gap: 1rem 1.5rem; margin: 1.75rem 0; max-width: 52rem; }
.explanation .figures div { display: flex; flex-direction: column; max-width: 11rem; }
.explanation .figures dd { margin: 0; font-size: 2.1rem; line-height: 1.15; font-weight: 650; font-variant-numeric: tabular-nums; letter-spacing: -.02em; }
.explanation .figures dt { font-size: .875rem; color: var(--quiet); line-height: 1.35; }
.explanation nav ul { list-style: none; padding: .75rem 0; margin: 0; display: flex; flex-wrap: wrap; gap: .35rem 1.25rem; border-block: 1px solid var(--line); font-size: .875rem; }

.explanation .part { padding: 2.25rem 0; border-bottom: 1px solid var(--line); scroll-margin-top: 1rem; }
.explanation .part .about > p { max-width: 46rem; }
.explanation .seen { min-width: 0; }
.explanation .specs { margin-bottom: 1rem; display: flex; flex-wrap: wrap; gap: 0 1.25rem; }
.explanation .spec[open] { flex-basis: 100%; }
.explanation .spec-text { border-left: 3px solid var(--line); padding: .25rem 0 .25rem 1rem; margin: .25rem 0 1rem; font-size: .875rem; max-width: 52rem; overflow-x: auto; }
.explanation .spec-text table { border-collapse: collapse; }
.explanation .spec-text th, .explanation .spec-text td { text-align: left; vertical-align: top; padding: .2rem .75rem .2rem 0; border-bottom: 1px solid var(--line); }
.explanation .spec-text pre { overflow-x: auto; padding: .6rem; background: var(--card); border: 1px solid var(--line); border-radius: 4px; }
.explanation .spec-text pre code { white-space: pre; }
.explanation .places { color: var(--quiet); font-size: .8125rem; margin: 0 0 .35rem; overflow-wrap: anywhere; } .explanation .specs > .places { flex-basis: 100%; }

.explanation .prompt { max-width: 60rem; color: var(--quiet); }
.explanation .prompt-token { white-space: pre-wrap; unicode-bidi: isolate; }
.explanation .tag { font-size: .75rem; letter-spacing: .04em; text-transform: uppercase; border: 1px solid var(--line); border-radius: 99px; padding: .1rem .55rem; margin-right: .35rem; }
.explanation .text { line-height: 1; margin: 1rem 0 1.25rem; }
.explanation .token { display: inline-flex; flex-direction: column; gap: 5px; padding: .4rem .18rem .35rem; margin: 0 0 .55rem; color: var(--on-token); vertical-align: top; min-width: 1.9rem; max-width: 100%; }
.explanation .token.first { border-radius: 7px 0 0 7px; padding-left: .4rem; margin-left: 2px; }
.explanation .token.last { border-radius: 0 7px 7px 0; padding-right: .4rem; margin-right: 2px; }
.explanation .token.first.last { border-radius: 7px; }
.explanation .spelling { font: 500 .95rem/1.35 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; text-align: center; }
${(['even', 'odd'] as const)
  .flatMap((name) =>
    [0, 1, 2, 3].map((s) => `.explanation .${name}.s${s} { background: var(--${name}-${s}); }`),
  )
  .join('\n')}
.explanation .gauge { display: block; width: 0; min-width: 100%; height: 6px; overflow: visible; }
.gauge .track { fill: var(--ink); fill-opacity: .13; } .gauge .level { fill: var(--good); } .gauge .below { fill: var(--bad); }
.gauge .threshold { stroke: var(--ink); stroke-width: 2; vector-effect: non-scaling-stroke; fill: none; }
.explanation .gauge-sample { display: inline-block; width: 3rem; vertical-align: middle; margin-right: .35rem; }
.explanation .legend { list-style: none; padding: 0; margin: 0 0 .5rem; display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; font-size: .875rem; color: var(--quiet); }
.explanation .swatch { display: inline-block; width: 1.1rem; height: .8rem; border-radius: 3px; margin: 0 .25rem 0 .35rem; border: 1px solid var(--line); vertical-align: -1px; }
.explanation .swatch:first-child { margin-left: 0; }
.explanation .block-pass { background: var(--even); } .explanation .block-micro { background: var(--even-2); } .explanation .block-embedder { background: var(--ink); }

.explanation table.numbers { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
.explanation table.numbers th, .explanation table.numbers td { text-align: right; padding: .15rem .9rem .15rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
.explanation table.numbers .words, .explanation table.numbers .code, .explanation table.numbers th:last-child { text-align: left; }
.explanation table.rules { margin-top: 1rem; }
.explanation table.rules th:first-child { text-align: left; }
.explanation table.numbers.rules .words, .explanation table.numbers.rules th { white-space: normal; }

.explanation .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1.5rem 3rem; }
.explanation .cache { margin: 0; }
.explanation .cache figcaption { margin-bottom: .6rem; } .explanation .cache figcaption strong { font-size: 1.7rem; font-variant-numeric: tabular-nums; }
.explanation .cache figcaption span { color: var(--quiet); }
.explanation .cells { display: flex; flex-wrap: wrap; gap: 3px; }
.explanation .cell { width: 21px; height: 21px; border-radius: 4px; font-size: 12px; line-height: 21px; text-align: center; font-weight: 700; color: var(--paper); font-variant-numeric: tabular-nums; }
.explanation .cell.even { background: var(--even); } .explanation .cell.odd { background: var(--odd); } .explanation .prompt-cell { background: var(--plain); }
.explanation .ghost { border: 1px dashed var(--plain); opacity: .55; }

.explanation table.ladder { border-collapse: separate; border-spacing: 2px; font-size: .875rem; margin-bottom: 1.25rem; }
.explanation .ladder th { font-weight: 500; color: var(--quiet); text-align: left; padding: .15rem .5rem; white-space: nowrap; vertical-align: bottom; } .explanation .ladder thead th { text-align: left; } .explanation .ladder .origin { border-bottom: 1px solid var(--line); }
.explanation .ladder tbody th { text-align: right; font-variant-numeric: tabular-nums; }
.explanation .ladder td { padding: .22rem .5rem; border-radius: 4px; color: var(--on-token); font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; }
.explanation .ladder td.entered { color: var(--quiet); font-family: inherit; white-space: nowrap; }

.chart { display: block; font: 12px system-ui, sans-serif; } .chart text { fill: var(--ink); } .chart text.quiet { fill: var(--quiet); } .chart text.end { text-anchor: end; }
.chart text.code { font: 11px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; }
.chart .grid { stroke: var(--line); fill: none; } .chart .axis { stroke: var(--quiet); fill: none; }
.chart .entropy { fill: var(--quiet); }
.chart rect.even { fill: var(--even); } .chart rect.odd { fill: var(--odd); } .chart .plain-even { fill: var(--plain); } .chart .plain-odd { fill: var(--plain); fill-opacity: .45; }
.block.pass.even { fill: var(--even); } .block.pass.odd { fill: var(--odd); } .block.pass.plain { fill: var(--plain); }
.block.micro.even { fill: var(--even-2); } .block.micro.odd { fill: var(--odd-2); } .block.embedder { fill: var(--ink) !important; }

.explanation .inside { padding-top: 2.5rem; }
.explanation .steps { border: 0; padding: .6rem 0; margin: 0; min-width: 0; position: sticky; top: 0; background: var(--paper); z-index: 1; border-bottom: 1px solid var(--line); }
.explanation .steps legend { font-size: .875rem; color: var(--quiet); padding: 0; float: left; margin-right: 1rem; line-height: 2.1; } .explanation .choices { clear: both; }
.explanation .choices { display: flex; gap: .4rem; overflow-x: auto; padding: 4px 4px 8px; }
.explanation .choice { position: relative; flex: none; }
.explanation .choice input { position: absolute; inset: 0; opacity: 0; width: 100%; height: 100%; margin: 0; cursor: pointer; }
.explanation .choice label { display: block; padding: .2rem .6rem; border-radius: 7px; border: 2px solid transparent; font-size: .875rem; white-space: nowrap; color: var(--on-token); }
.explanation .choice label.even { background: var(--even-0); } .explanation .choice label.odd { background: var(--odd-0); }
.explanation .choice label .code { white-space: pre; }
.explanation .choice input:checked + label { border-color: var(--ink); }
.explanation .choice input:focus-visible + label { outline: 2px solid var(--accent); outline-offset: 2px; }
.explanation .of-step { display: none; }
${STEP_RULES} { display: block; }
.explanation .flow { text-align: center; font-size: .875rem; color: var(--quiet); font-variant-numeric: tabular-nums; margin: 0 auto; }
.explanation .flow span { display: inline-block; padding: .1rem .8rem; } .explanation .flow::after { content: "↓"; display: block; font-size: 1.25rem; line-height: 1; }
.explanation .inside .part { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.4rem clamp(1rem, 3vw, 1.75rem); margin: .9rem 0; scroll-margin-top: 7rem; }
.explanation .chip { display: inline-block; font: 500 .85rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; padding: 0 .4rem; border-radius: 5px; color: var(--on-token); max-width: 100%; vertical-align: middle; }
.explanation .quoted { font-size: .8125rem; }
.explanation .chip.prompt-chip { background: color-mix(in srgb, var(--plain) 22%, transparent); color: var(--ink); }
.explanation .chip.even { background: var(--even-1); } .explanation .chip.odd { background: var(--odd-1); } .explanation .chip.feature { border: 1px solid var(--plain); color: var(--ink); }
.explanation .heat { display: block; background: color-mix(in srgb, var(--plain) 9%, transparent); border-radius: 3px; shape-rendering: crispEdges; }
.heat path { stroke-width: 1; fill: none; }
${OPACITIES.map((opacity, i) => `.heat .p${i + 1} { stroke: var(--positive); stroke-opacity: ${opacity}; } .heat .n${i + 1} { stroke: var(--negative); stroke-opacity: ${opacity}; }`).join('\n')}
.heat .nan { stroke: #c2185b; }
.explanation .tensors { margin: 0 0 .75rem; } .explanation .tensors dt { font-size: .875rem; margin-top: .7rem; } .explanation .tensors dd { margin: .2rem 0 0; }
.explanation .tensor code { color: var(--quiet); } .explanation .scale { color: var(--quiet); font-size: .8125rem; }
.explanation .merger { border-collapse: collapse; width: 100%; table-layout: auto; } .explanation .merger th { text-align: left; font-weight: 400; font-size: .875rem; padding: .15rem .75rem .15rem 0; max-width: 12rem; } .explanation .merger thead th { color: var(--quiet); } .explanation .merger td { padding: .15rem .75rem .15rem 0; } .explanation .merger .wide { width: 80%; } .explanation .merger .chip { white-space: pre; }
.explanation .bar { fill: var(--positive); } .explanation .bars { display: block; } .explanation .bars .grid { stroke: var(--line); }
.explanation .under { display: block; margin-top: 3px; } .under path { stroke-width: 3; fill: none; } .prompt-line { stroke: var(--plain); } .segments-line { stroke: var(--even); }
.explanation .micro-steps { list-style: none; margin: 0 0 .75rem; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: 1.1rem 1.5rem; }
.explanation .micro-steps > li { min-width: 0; }
.explanation .sees, .explanation .likeliest { list-style: none; margin: 0 0 .5rem; padding: 0; font-size: .8125rem; }
.explanation .sees li { margin-bottom: 3px; }
.explanation .sees li, .explanation .likeliest li { display: grid; grid-template-columns: minmax(0, 7.5rem) 1fr 3.4rem; gap: .5rem; align-items: center; min-height: 1.4rem; }
.explanation .sees .chip { font-size: .78rem; overflow: hidden; text-overflow: ellipsis; white-space: pre; justify-self: start; } .explanation .value { font-variant-numeric: tabular-nums; text-align: right; }
.explanation .share { width: 100%; height: 8px; background: color-mix(in srgb, var(--plain) 16%, transparent); border-radius: 2px; }
.explanation .likeliest .code { overflow: hidden; white-space: pre; } .explanation .likeliest .chosen { font-weight: 700; } .explanation .likeliest li:not(.chosen) .bar { fill-opacity: .55; }
.explanation .stop { display: grid; grid-template-columns: minmax(0, 7.5rem) 1fr 3.4rem; gap: .5rem; align-items: center; font-size: .8125rem; margin: 0 0 .25rem; line-height: 1.25; } .explanation .stop .gauge { height: 8px; }
.explanation .verdict { font-size: .875rem; font-weight: 600; margin: 0; } .explanation .verdict.ends { color: var(--bad); } .explanation .verdict.goes-on { color: var(--good); }
.explanation .facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: .2rem 2.5rem; margin: 0; font-size: .875rem; } .explanation .facts div { display: flex; justify-content: space-between; gap: 1rem; border-bottom: 1px solid var(--line); padding: .2rem 0; } .explanation .facts dt { color: var(--quiet); } .explanation .facts dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }

@media (min-width: 64rem) {
  .explanation .inside .part { display: grid; grid-template-columns: 17rem minmax(0, 1fr); gap: 2rem; }
  .explanation .inside .part:has(.spec[open]) { grid-template-columns: minmax(0, 1fr); }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
@media print {
  .explanation { font-size: 9.5pt; }
  .explanation .micro-steps > li, .explanation table, .explanation svg, .explanation figure, .explanation .tensors { break-inside: avoid; }
  .explanation h2, .explanation h3, .explanation .about { break-after: avoid; }
  .explanation .part { padding: 1rem 0; } .explanation .micro-steps { grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); }
  .explanation .sees li, .explanation .likeliest li, .explanation .stop { grid-template-columns: minmax(0, 4.5rem) 1fr 2.7rem; }
  .explanation .seen > *, .explanation .text { break-inside: auto; }
  .explanation .steps { position: static; } .explanation nav { display: none; } .explanation .choice:not(:has(:checked)) { display: none; }
  .explanation .scroll { overflow: visible; } .explanation .chart { max-width: 100%; height: auto; } .explanation table.ladder { font-size: 7.5pt; }
  .explanation * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .explanation details:not([open]) { display: none; }
}
`;
