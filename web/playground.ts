/**
 * The page: asks the worker for runs, plays what comes on one clock, and shows the explanation.
 *
 * @module
 */

import { tokenClass } from '../lib/explain/view/common.ts';
import { explanationView, type ViewOptions } from '../lib/explain/view/explanation-view.ts';
import { figuresView, openingView } from '../lib/explain/view/opening.ts';
import { html } from '../lib/html.ts';
import { type BreakName, breaks } from './breaks.ts';
import type { Files, FromWorker, Lane, LaneToken, Request, ToWorker } from './messages.ts';

/** What depends on how the page came: as files of a server, or as one file. */
export interface Environment {
  readonly worker: Worker;
  readonly files: Promise<Files>;
  readonly view: ViewOptions;
}

/** One request of each family that the toy knows. */
const EXAMPLES: readonly (readonly [name: string, prompt: string])[] = [
  [
    'a function',
    'Write a function solve that takes a number n: add up the numbers from 1 to n that are greater than 8.',
  ],
  ['a story', 'Tell a story in 4 sentences with the words jumped, kite, hungry.'],
  ['a record', 'Give the record. Order 43 is paid. The color in order 43 is blue. Order 43 is for a bell.'],
  ['arithmetic', 'Ella has 7 boxes with 6 cups each. Ella finds 30 more. How many cups does Ella have now?'],
  [
    'a question',
    'Zoe keeps a red rope in the mill. Tina keeps a pink rope in the garden. The garden is near the forest. Pia keeps a yellow boat in the garden. The mill is near the river. Who keeps the yellow boat?',
  ],
];

/** In slow motion a pass of the base takes this long. */
const PASS_MS = 110;

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

/** A lane on the page. */
class LaneView {
  readonly #root: HTMLElement;
  readonly #lane: Lane;
  readonly #waiting: LaneToken[] = [];
  #ended = false;
  #played = 0;
  #tokens = 0;
  #passes = 0;
  #entries = 0;
  #ids: number[] = [];

  constructor(lane: Lane) {
    this.#lane = lane;
    this.#root = element(`lane-${lane}`);
    this.#count();
  }

  reset(promptTokens: number): void {
    this.#waiting.length = 0;
    this.#ids = [];
    this.#ended = false;
    [this.#played, this.#tokens, this.#passes, this.#entries] = [0, 0, 0, promptTokens];
    this.#root.classList.remove('done');
    this.#output().replaceChildren();
    this.#count();
  }

  push(token: LaneToken): void {
    this.#waiting.push(token);
  }

  end(): void {
    this.#ended = true;
  }

  get done(): boolean {
    return this.#root.classList.contains('done');
  }

  get summary(): string {
    return `${this.#tokens} tokens in ${this.#passes} passes, ${this.#entries} KV entries`;
  }

  /** Shows what is due when so many numbers have been read. */
  play(read: number): void {
    const spans: HTMLElement[] = [];
    for (
      let next = this.#waiting[0];
      next !== undefined && this.#played + next.work <= read;
      next = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#played += next.work;
      spans.push(this.#span(next));
    }
    if (spans.length > 0) {
      const output = this.#output();
      output.append(...spans);
      output.scrollTop = output.scrollHeight;
      this.#count();
    }
    if (this.#ended && this.#waiting.length === 0 && !this.done) {
      this.#root.dataset.ids = this.#ids.join(',');
      this.#root.classList.add('done');
    }
  }

  #span({ token, text, entries }: LaneToken): HTMLElement {
    this.#tokens += 1;
    this.#passes = token.macroStep + 1;
    this.#entries = entries;
    this.#ids.push(token.id);
    const span = document.createElement('span');
    span.className = this.#lane === 'base' ? 'plain-token' : tokenClass(token.macroStep, token.probability);
    span.textContent = text;
    return span;
  }

  #output(): HTMLElement {
    return this.#root.querySelector<HTMLElement>('.output')!;
  }

  #count(): void {
    const perPass = this.#passes === 0 ? '–' : (this.#tokens / this.#passes).toFixed(2);
    const counters: readonly (readonly [string, string | number])[] = [
      ['tokens', this.#tokens],
      ['passes', this.#passes],
      ['tokens a pass', perPass],
      ['KV entries', this.#entries],
    ];
    this.#root.querySelector('.counters')!.innerHTML = html`${counters.map(
      ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`,
    )}`.markup;
  }
}

/** Starts the page. */
export function startPlayground({ worker, files, view }: Environment): void {
  const prompt = element<HTMLTextAreaElement>('prompt');
  const status = element('status');
  const lanes = { base: new LaneView('base'), hamburger: new LaneView('hamburger') };
  const reduced = matchMedia('(prefers-reduced-motion: reduce)');
  let run = 0;
  let started = 0;
  let rate = Number.POSITIVE_INFINITY;
  let playing = false;
  let failed = false;
  let explanation: Extract<FromWorker, { kind: 'explained' }>['explanation'] | undefined;

  const send = (message: ToWorker): void => worker.postMessage(message);
  const say = (text: string, failed = false): void => {
    status.textContent = text;
    status.classList.toggle('failed', failed);
  };
  const request = (): Request => ({
    prompt: prompt.value,
    confidence: Number(element<HTMLInputElement>('confidence').value),
    temperature: Number(element<HTMLInputElement>('temperature').value),
    seed: element<HTMLInputElement>('seed').value,
    breaks: [...document.querySelectorAll<HTMLInputElement>('#breaks input:checked')].map(
      ({ value }) => value as BreakName,
    ),
  });
  const start = (): void => {
    if (element<HTMLButtonElement>('go').disabled) return;
    run += 1;
    // What an earlier run has still to say is not shown any more.
    lanes.base.reset(0);
    lanes.hamburger.reset(0);
    explanation = undefined;
    element('explained').ariaBusy = 'true';
    failed = false;
    say('Running …');
    send({ kind: 'run', run, request: request() });
  };

  const play = (): void => {
    if (!playing) requestAnimationFrame(frame);
    playing = true;
  };
  const frame = (now: number): void => {
    const read = rate === Number.POSITIVE_INFINITY ? rate : (now - started) * rate;
    const before = lanes.base.done && lanes.hamburger.done;
    lanes.base.play(read);
    lanes.hamburger.play(read);
    const after = lanes.base.done && lanes.hamburger.done;
    if (after && !before) {
      say(`HAMburger: ${lanes.hamburger.summary}. The base: ${lanes.base.summary}.`);
    }
    if (lanes.hamburger.done && explanation !== undefined) {
      show(explanation);
      explanation = undefined;
    }
    playing = false;
    if (!after && !failed) play();
  };

  const show = (what: NonNullable<typeof explanation>): void => {
    element('explained').innerHTML =
      html`<h2 class="what">What just happened</h2>${openingView(what)}${figuresView(what)}${explanationView(what, view)}`.markup;
    element('explained').ariaBusy = 'false';
  };

  worker.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => {
    if (data.kind === 'ready') {
      element<HTMLButtonElement>('go').disabled = false;
      start();
      return;
    }
    if (data.run !== run) return;
    switch (data.kind) {
      case 'started':
        lanes.base.reset(data.promptTokens);
        lanes.hamburger.reset(data.promptTokens);
        break;
      case 'token': {
        if (data.lane === 'base' && data.token.token.macroStep === 0) {
          const slow = element<HTMLSelectElement>('pace').value === 'slow';
          rate = slow ? data.token.work / PASS_MS : Number.POSITIVE_INFINITY;
          started = performance.now();
          play();
        }
        lanes[data.lane].push(data.token);
        break;
      }
      case 'ended':
        lanes[data.lane].end();
        break;
      case 'explained':
        explanation = data.explanation;
        play();
        break;
      case 'failed':
        failed = true;
        say(data.message, true);
    }
  });
  worker.addEventListener('error', ({ message }) => say(`The worker failed: ${message}`, true));

  fillForm(prompt, start);
  if (reduced.matches) element<HTMLSelectElement>('pace').value = 'live';
  files.then(
    (all) => send({ kind: 'files', files: all }),
    (error: unknown) => say(`The checkpoints could not be loaded: ${String(error)}`, true),
  );
}

/** Examples, switches, and what a change does. */
function fillForm(prompt: HTMLTextAreaElement, start: () => void): void {
  prompt.value = EXAMPLES[0]![1];
  element('examples').innerHTML = html`${EXAMPLES.map(
    ([name], i) => html`<button type="button" data-example="${i}">${name}</button>`,
  )}`.markup;
  element('breaks').innerHTML = html`${Object.entries(breaks).map(
    ([name, { label, says }]) =>
      html`<div class="break"><input type="checkbox" id="break-${name}" value="${name}" aria-describedby="says-${name}"><label for="break-${name}">${label}</label><p id="says-${name}">${says}</p></div>`,
  )}`.markup;
  for (const button of document.querySelectorAll<HTMLElement>('[data-example]')) {
    button.addEventListener('click', () => {
      prompt.value = EXAMPLES[Number(button.dataset.example)]![1];
      start();
    });
  }
  for (const id of ['confidence', 'temperature']) {
    const input = element<HTMLInputElement>(id);
    const shown = element(`${id}-value`);
    input.addEventListener('input', () => {
      shown.textContent = input.value;
    });
  }
  const form = element<HTMLFormElement>('ask');
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    start();
  });
  form.addEventListener('change', ({ target }) => {
    if (target !== prompt) start();
  });
  element('breaks').addEventListener('change', start);
  prompt.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) start();
  });
}
