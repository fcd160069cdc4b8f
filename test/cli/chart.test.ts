import { describe, expect, it } from 'vitest';
import { barChart, chart } from '../../cli/chart.ts';

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

  it('with a range the axis shows all of it, though every value be the same', () => {
    const series = [
      {
        name: 'a',
        points: [
          [0, 1],
          [1, 1],
        ] as const,
      },
    ];
    const height = (range?: readonly [number, number]) =>
      points(pathsOf(chart('t', 'x', [{ title: 'share', series, ...(range ? { range } : {}) }]))[0]!)[0]![1]!;
    // 1 is the top of 0 to 1, and the middle of an axis around nothing but 1.
    expect(height([0, 1])).toBeLessThan(height() - 50);
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

describe('points that are labelled', () => {
  const series = (name: string, points: readonly (readonly [number, number])[]) => ({
    name,
    points,
    labels: points.map((_, i) => `${name}${i}`),
  });
  const texts = (svg: string) =>
    Array.from(svg.matchAll(/class="small middle"[^>]*>([^<]*)</g), ([, t]) => t);

  it('stand at their places, whatever the order of x', () => {
    const svg = chart('t', 'x', [
      {
        title: 'p',
        series: [
          series('a', [
            [2, 0],
            [1, 1],
            [3, 0.5],
          ]),
        ],
      },
    ]);
    const dots = Array.from(
      svg.matchAll(/<circle [^>]*cx="([\d.]+)" cy="([\d.]+)"/g),
      ([, x, y]) => `${x},${y}`,
    );
    expect(dots.map((dot) => dot.split(',').map(Number))).toEqual(points(pathsOf(svg)[0]!));
    expect(texts(svg)).toEqual(['a0', 'a1', 'a2']);
  });

  it('a label that would cover another is left out, but told to who points at the dot; the last curve goes first', () => {
    const all = [
      series('a', [
        [1, 1],
        [2, 2],
      ]),
      series('b', [
        [1, 1],
        [3, 3],
      ]),
    ];
    const svg = chart('t', 'x', [{ title: 'p', series: all }]);
    expect(texts(svg)).toEqual(['b0', 'b1', 'a1']);
    expect(svg).toContain('<title>a, a0</title>');
  });

  it('a point that is not there has no dot', () => {
    const svg = chart('t', 'x', [
      {
        title: 'p',
        series: [
          series('a', [
            [1, Number.NaN],
            [2, 2],
          ]),
        ],
      },
    ]);
    expect(svg).not.toContain('NaN');
    expect(texts(svg)).toEqual(['a1']);
  });
});

describe('bars as SVG', () => {
  const bars = (values: number[][]) =>
    barChart('t <&> "', {
      title: 'speed',
      groups: ['json', 'math'],
      series: values.map((list, i) => ({ name: `s${i}`, values: list })),
    });
  const heights = (svg: string) =>
    Array.from(svg.matchAll(/<rect class="t(\d)"[^>]* height="([\d.]+)"/g), ([, s, h]) => [
      Number(s),
      Number(h),
    ]);

  it('heights are as the values, from zero: a bar twice as high means twice as much', () => {
    const found = heights(
      bars([
        [100, 50],
        [200, 25],
      ]),
    );
    expect(found.map(([s]) => s)).toEqual([0, 1, 0, 1]);
    const unit = found[0]![1]! / 100;
    expect(found.map(([, h]) => Math.round(h! / unit))).toEqual([100, 200, 50, 25]);
  });

  it('what was not measured has no bar, and names do not become markup', () => {
    const svg = bars([[Number.NaN, 1]]);
    expect(heights(svg)).toHaveLength(1);
    expect(svg).not.toMatch(/NaN|t <&>/);
  });
});
