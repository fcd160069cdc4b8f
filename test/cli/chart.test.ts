import { describe, expect, it } from 'vitest';
import { chart } from '../../cli/chart.ts';

const pathsOf = (svg: string): string[] =>
  Array.from(svg.matchAll(/<path class="s\d" d="([^"]*)"/g), ([, d]) => d!);

const points = (d: string): number[][] =>
  Array.from(d.matchAll(/[ML]([-\d.]+),([-\d.]+)/g), ([, x, y]) => [Number(x), Number(y)]);

describe('curves as SVG', () => {
  it('a larger value stands higher, a later one further right', () => {
    const svg = chart('t', 'step', [
      {
        title: 'loss',
        series: [
          {
            name: 'a',
            points: [
              [0, 1],
              [1, 3],
              [2, 2],
            ],
          },
        ],
      },
    ]);
    const [[x0, y0], [x1, y1], [x2, y2]] = points(pathsOf(svg)[0]!) as [number[], number[], number[]];
    expect(x0! < x1! && x1! < x2!).toBe(true);
    expect(y1! < y2! && y2! < y0!).toBe(true);
  });

  it('what is not finite leaves a gap and does not move the axis', () => {
    const svg = chart('t', 'step', [
      {
        title: 'loss',
        series: [
          {
            name: 'a',
            points: [
              [0, 1],
              [1, Number.NaN],
              [2, Number.POSITIVE_INFINITY],
              [3, 2],
              [4, 1],
            ],
          },
        ],
      },
    ]);
    expect(svg).not.toMatch(/NaN|Infinity/);
    expect(pathsOf(svg)[0]!.match(/M/g)).toHaveLength(2);
  });

  it('many points become means of neighbours', () => {
    const series = [{ name: 'a', points: Array.from({ length: 4000 }, (_, i) => [i, i % 10] as const) }];
    const path = points(pathsOf(chart('t', 'step', [{ title: 'p', series }]))[0]!);
    expect(path.length).toBe(400);
    expect(new Set(path.map(([, y]) => y)).size).toBe(1);
  });

  it('no point at all, or one, is no error', () => {
    for (const points of [[], [[3, 5]] as const]) {
      expect(chart('t', 'step', [{ title: 'p', series: [{ name: 'a', points }] }])).not.toMatch(/NaN/);
    }
  });

  it('names do not become markup, and do not cover each other', () => {
    const series = ['<b>', 'a&b', 'c'].map((name) => ({ name, points: [[0, 1]] as const }));
    const svg = chart('a <script> & b', 'step', [{ title: 'p', series }]);
    expect(svg).toContain('&lt;b&gt;');
    expect(svg).toContain('a &lt;script&gt; &amp; b');
    expect(svg).not.toContain('<script');
    const heights = Array.from(svg.matchAll(/class="t\d" x="\d+" y="([\d.]+)"/g), ([, y]) => Number(y));
    expect(heights.sort((a, b) => a - b).every((y, i) => i === 0 || y - heights[i - 1]! >= 14)).toBe(true);
  });

  it('has colours for light and for dark', () => {
    expect(chart('t', 'step', [])).toContain('prefers-color-scheme: dark');
  });
});
