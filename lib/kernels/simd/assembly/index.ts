export { rowSums, rowSumsOfSquares } from './dot-products.ts';
export {
  add, addRow, divideColumn, multiply, multiplyColumn, multiplyRow, rotateHalves, rowMaxima, scale,
} from './elementwise.ts';
export { columnSums } from './left-to-right.ts';
export {
  attentionContext, attentionScores, expDifferences, matmulLeftToRight, matmulNT, serve, sigmoid, silu,
} from './operations.ts';
export { setThreads } from './threads.ts';
