/**
 * Curves and bars as SVG: the only door to `d3-scale` and `d3-shape`. The picture needs no script and follows the reader's light or dark colours.
 *
 * @module
 */

import { scaleBand, scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import { escapeText } from '../lib/html.ts';

/** A curve. */
export interface Series {
  readonly name: string;
  /** x and y, in the order in which the curve goes. What is not finite leaves a gap. */
  readonly points: readonly (readonly [x: number, y: number])[];
  /** What each point stands for: then points are marked, and labelled where there is room. */
  readonly labels?: readonly string[];
}

/** Curves that share an axis. */
export interface Panel {
  /** What the values are, with their unit. */
  readonly title: string;
  /** Least and most that a value can be, where the axis is to show that; otherwise it shows those there are. */
  readonly range?: readonly [number, number];
  /** At most {@link COLOURS} of them. */
  readonly series: readonly Series[];
}

/** On white and on black; told apart by colour-blind readers too (Okabe and Ito). */
const COLOURS = [
  ['#0072b2', '#56b4e9'],
  ['#d55e00', '#e69f00'],
  ['#007a5a', '#2fc79b'],
  ['#a3417f', '#e294c4'],
  ['#6b6b00', '#f0e442'],
  ['#555555', '#bbbbbb'],
] as const;

const WIDTH = 720;
const PANEL_HEIGHT = 240;
const MARGIN = { left: 56, right: 152, top: 34, bottom: 34 };

/** More points than this are not told apart: neighbours become their mean. */
const MOST_POINTS = 400;

/** Digits after the point of coordinates: a hundredth of a pixel. */
const DIGITS = 2;

/** Bars that stand side by side, a group for each name. */
export interface Bars {
  /** What the values are, with their unit. */
  readonly title: string;
  readonly groups: readonly string[];
  /** Values of each group, from 0 on; what is not finite has no bar. At most {@link COLOURS} of them. */
  readonly series: readonly { readonly name: string; readonly values: readonly number[] }[];
}

/**
 * A picture of panels, one below the other, over a common x axis.
 *
 * @param title of the picture, for those who do not see it
 */
export function chart(title: string, xTitle: string, panels: readonly Panel[]): string {
  const height = panels.length * PANEL_HEIGHT;
  const xs = panels.flatMap(({ series }) => series.flatMap(({ points }) => points.map(([x]) => x)));
  const domain = extent(xs);
  const body = panels.map((panel, i) => panelSvg(panel, xTitle, domain, i * PANEL_HEIGHT));
  return documentSvg(title, height, body);
}

/** A picture of bars. @param title of the picture, for those who do not see it */
export function barChart(title: string, bars: Bars): string {
  return documentSvg(title, PANEL_HEIGHT, [barsSvg(bars)]);
}

function documentSvg(title: string, height: number, body: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>${escapeText(title)}</title>
<style>
${styleSheet()}
</style>
<rect class="paper" width="${WIDTH}" height="${height}"/>
${body.join('\n')}
</svg>
`;
}

function styleSheet(): string {
  const colours = (which: 0 | 1) =>
    COLOURS.map((colour, i) => `.s${i} { stroke: ${colour[which]}; } .t${i} { fill: ${colour[which]}; }`);
  return [
    'text { font: 12px system-ui, sans-serif; fill: #222; } .paper { fill: #fff; } .grid { stroke: #ddd; }',
    'path { fill: none; stroke-width: 1.5; stroke-linejoin: round; } .heading { font-weight: 600; } .end { text-anchor: end; } .middle { text-anchor: middle; }',
    '.small { font-size: 9px; }',
    ...colours(0),
    '@media (prefers-color-scheme: dark) {',
    'text { fill: #ddd; } .paper { fill: #16181c; } .grid { stroke: #3a3d44; }',
    ...colours(1),
    '}',
  ].join('\n');
}

function panelSvg(
  { title, series, range }: Panel,
  xTitle: string,
  xDomain: readonly [number, number],
  top: number,
): string {
  const right = WIDTH - MARGIN.right;
  const bottom = top + PANEL_HEIGHT - MARGIN.bottom;
  const ys = series.flatMap(({ points }) => points.map(([, y]) => y));
  const x = scaleLinear(xDomain, [MARGIN.left, right]);
  const y = scaleLinear(range ?? extent(ys), [bottom, top + MARGIN.top]).nice();
  const xFormat = x.tickFormat(6);
  const path = line<readonly [number, number]>()
    .defined(([, value]) => Number.isFinite(value))
    .x(([at]) => x(at))
    .y(([, value]) => y(value))
    .digits(DIGITS);
  const names = spread(
    series.map(({ points }) => {
      const last = points.findLast(([, value]) => Number.isFinite(value));
      return last === undefined ? bottom : y(last[1]);
    }),
  );
  return [
    ...frame(title, y, top),
    ...x
      .ticks(6)
      .map((tick) => `<text class="middle" x="${place(x(tick))}" y="${bottom + 18}">${xFormat(tick)}</text>`),
    `<text x="${right + 24}" y="${bottom + 18}">${escapeText(xTitle)}</text>`,
    ...series.map(({ points }, i) => `<path class="s${i}" d="${path(thinned(points)) ?? ''}"/>`),
    ...marks(series, x, y),
    ...series.map(
      ({ name }, i) =>
        `<text class="t${i}" x="${right + 8}" y="${place(names[i]! + 4)}">${escapeText(name)}</text>`,
    ),
  ].join('\n');
}

type Scale = ReturnType<typeof scaleLinear<number, number>>;

function place(value: number): string {
  return value.toFixed(DIGITS);
}

/** Heading and y axis. */
function frame(title: string, y: Scale, top: number): string[] {
  const format = y.tickFormat(5);
  return [
    `<text class="heading" x="${MARGIN.left}" y="${top + 18}">${escapeText(title)}</text>`,
    ...y
      .ticks(5)
      .flatMap((tick) => [
        `<line class="grid" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${place(y(tick))}" y2="${place(y(tick))}"/>`,
        `<text class="end" x="${MARGIN.left - 6}" y="${place(y(tick) + 4)}">${format(tick)}</text>`,
      ]),
  ];
}

/** Room that a label takes, in pixels. */
const LABEL = { width: 22, height: 10 };

/**
 * Points as dots with their labels. A label that would cover one before it is left out; whoever points at the dot still sees it. The last
 * series goes first.
 */
function marks(series: readonly Series[], x: Scale, y: Scale): string[] {
  const taken: (readonly [number, number])[] = [];
  const covers = (at: readonly [number, number]) =>
    taken.some(([cx, cy]) => Math.abs(cx - at[0]) < LABEL.width && Math.abs(cy - at[1]) < LABEL.height);
  return series
    .flatMap(({ name, points, labels = [] }, i) =>
      labels.map((label, n) => ({ i, name, label, point: points[n]! })),
    )
    .filter(({ point }) => point.every(Number.isFinite))
    .sort((a, b) => b.i - a.i)
    .flatMap(({ i, name, label, point: [px, py] }) => {
      const at = [x(px), y(py)] as const;
      const told = escapeText(`${name}, ${label}`);
      const dot = `<circle class="t${i}" cx="${place(at[0])}" cy="${place(at[1])}" r="2.5"><title>${told}</title></circle>`;
      if (covers(at)) return [dot];
      taken.push(at);
      const text = `<text class="small middle" x="${place(at[0])}" y="${place(at[1] - 5)}">${escapeText(label)}</text>`;
      return [dot, text];
    });
}

function barsSvg({ title, groups, series }: Bars): string {
  const bottom = PANEL_HEIGHT - MARGIN.bottom;
  const most = extent([0, ...series.flatMap(({ values }) => values)])[1];
  const y = scaleLinear([0, most], [bottom, MARGIN.top]).nice();
  const outer = scaleBand(groups, [MARGIN.left, WIDTH - MARGIN.right])
    .paddingInner(0.3)
    .paddingOuter(0.15);
  const inner = scaleBand(
    series.map((_, i) => `${i}`),
    [0, outer.bandwidth()],
  ).padding(0.08);
  const bars = groups.flatMap((group, g) =>
    series.flatMap(({ values }, i) => {
      const value = values[g]!;
      if (!Number.isFinite(value)) return [];
      const left = outer(group)! + inner(`${i}`)!;
      const middle = left + inner.bandwidth() / 2;
      return [
        `<rect class="t${i}" x="${place(left)}" y="${place(y(value))}" width="${place(inner.bandwidth())}" height="${place(bottom - y(value))}"/>`,
        `<text class="small middle" x="${place(middle)}" y="${place(y(value) - 3)}">${value >= 100 ? value.toFixed(0) : value.toPrecision(3)}</text>`,
      ];
    }),
  );
  return [
    ...frame(title, y, 0),
    ...bars,
    ...groups.map(
      (group) =>
        `<text class="middle" x="${place(outer(group)! + outer.bandwidth() / 2)}" y="${bottom + 18}">${escapeText(group)}</text>`,
    ),
    ...series.map(
      ({ name }, i) =>
        `<text class="t${i}" x="${WIDTH - MARGIN.right + 8}" y="${MARGIN.top + 14 * i + 4}">${escapeText(name)}</text>`,
    ),
  ].join('\n');
}

/** Smallest and largest of the finite values; room for a line where there is only one. */
function extent(values: readonly number[]): [number, number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  if (least > most) return [0, 1];
  return least === most ? [least - 0.5, most + 0.5] : [least, most];
}

/** Means of neighbours, so that few enough points are left. */
function thinned(points: Series['points']): Series['points'] {
  const size = Math.ceil(points.length / MOST_POINTS);
  if (size <= 1) return points;
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const group = points.slice(i * size, (i + 1) * size);
    return [mean(group.map(([x]) => x)), mean(group.map(([, y]) => y))] as const;
  });
}

/** Heights of labels, moved down until none covers another. */
function spread(heights: readonly number[]): readonly number[] {
  const LINE = 14;
  const order = heights.map((_, i) => i).sort((a, b) => heights[a]! - heights[b]!);
  const moved = [...heights];
  order.forEach((i, n) => {
    const above = order[n - 1];
    if (above !== undefined) moved[i] = Math.max(moved[i]!, moved[above]! + LINE);
  });
  return moved;
}
