/**
 * What the other primitives take for one element, and a call of each takes for hardly any. The fast kernels put calls off and do many together, as
 * in decoding: both parts are in the figures.
 *
 * Usage: `npm run bench:elementwise -- [--rows 6] [--width 768] [--repetitions 5]`
 */

import { parseArgs } from 'node:util';
import { summarise } from '../dist/cli/bench/statistics.js';
import { rateOf } from '../dist/cli/bench/variants.js';
import { table } from '../dist/cli/output.js';
import { referenceKernels, simdKernels } from '../dist/lib/index.js';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '6' },
    width: { type: 'string', default: '768' },
    repetitions: { type: 'string', default: '5' },
  },
});

/** Calls of each primitive on tensors `[rows, width]`. */
function calls(kernels, rows, width) {
  const tensor = (shape, value) => {
    const t = kernels.empty(shape);
    t.data.fill(value);
    return t;
  };
  const x = tensor([rows, width], 0.5);
  const y = tensor([rows, width], 0.25);
  const out = tensor([rows, width], 0);
  const row = tensor([width], 0.5);
  const column = tensor([rows], 0.5);
  const visible = Array(rows).fill(width);
  const heads = kernels.empty([rows, 1, width]);
  heads.data.fill(0.5);
  const turned = kernels.empty([rows, 1, width]);
  const half = tensor([rows, width / 2], 0.5);
  return {
    settle: () => kernels.settle(),
    add: () => kernels.add(x, y, out),
    multiply: () => kernels.multiply(x, y, out),
    scale: () => kernels.scale(x, 0.5, out),
    addRow: () => kernels.addRow(x, row, out),
    multiplyRow: () => kernels.multiplyRow(x, row, out),
    multiplyColumn: () => kernels.multiplyColumn(x, column, out),
    divideColumn: () => kernels.divideColumn(x, column, out),
    rowSums: () => kernels.rowSums(x, visible, column),
    rowSumsOfSquares: () => kernels.rowSumsOfSquares(x, column),
    rowMaxima: () => kernels.rowMaxima(x, visible, column),
    rowArgmax: () => kernels.rowArgmax(x, column),
    columnSums: () => kernels.columnSums(x, row),
    expDifferences: () => kernels.expDifferences(x, column, visible, out),
    softmax: () => kernels.softmax(x, visible, out),
    rmsNorm: () => kernels.rmsNorm(x, row, 0.5, column, out),
    silu: () => kernels.silu(x, out),
    gatedSilu: () => kernels.gatedSilu(x, y, out),
    sigmoid: () => kernels.sigmoid(x, out),
    rotateHalves: () => kernels.rotateHalves(heads, half, half, turned),
  };
}
const sets = [simdKernels(), referenceKernels('f32')];
const [rows, width] = [Number(values.rows), Number(values.width)];
/** Columns of the result: each is measured with every primitive. */
const columns = sets.flatMap((kernels) => {
  return [
    { name: `${kernels.name}, ns per element`, work: calls(kernels, rows, width), count: rows * width },
    { name: `${kernels.name}, ns per call`, work: calls(kernels, 2, 2), count: 1 },
  ];
});
const primitives = Object.keys(columns[0].work).filter((name) => name !== 'settle');
const measured = primitives.map(() => columns.map(() => []));
for (let repetition = 0; repetition <= Number(values.repetitions); repetition++) {
  primitives.forEach((primitive, p) => {
    columns.forEach(({ work, count }, c) => {
      const call = work[primitive];
      const rate = rateOf(() => {
        for (let i = 0; i < 100; i++) call();
        work.settle();
        return 100 * count;
      });
      if (repetition > 0) measured[p][c].push(1e9 / rate);
    });
  });
}
console.log(`tensors [${rows}, ${width}]; calls on [2, 2]\n`);
console.log(
  table([
    ['primitive', ...columns.map(({ name }) => name)],
    ...primitives.map((primitive, p) => [
      primitive,
      ...measured[p].map((values) => summarise(values).median.toFixed(2)),
    ]),
  ]),
);
