export {
  attentionContext, attentionScores, columnSums, matmulNN, matmulNT, rowMaxima, rowSums, rowSumsOfSquares,
} from './products.ts';
export {
  add, addRow, clear, divideColumn, expDifferences, multiply, multiplyColumn, multiplyRow, rotateHalves, scale, sigmoid, silu,
} from './elementwise.ts';
