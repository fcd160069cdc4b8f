export { rowSums, rowSumsOfSquares } from './dot-products';
export {
  add, addRow, divideColumn, multiply, multiplyColumn, multiplyRow, rotateHalves, rowMaxima, scale,
} from './elementwise';
export { setThreads } from './instance';
export { columnSums } from './left-to-right';
export {
  attentionContext, attentionScores, expDifferences, matmulLeftToRight, matmulNT, serve, sigmoid, silu,
} from './operations';
