export { multiplyAdds, readFourStreams, readOneStream } from './ceilings';
export { rowDots, rowSums, rowSumsOfSquares } from './dot-products';
export {
  adamW, add, addProduct, addRow, divideColumn, multiply, multiplyColumn, multiplyRow, rmsNorm, rotateHalves, rowMaxima, scale,
  subtractColumn,
} from './elementwise';
export { setThreads } from './instance';
export { columnSums } from './left-to-right';
export {
  addAttentionContext, addAttentionTransposed, attention, attentionScores, expDifferences, gatedSilu, matmulLeftToRight,
  matmulNT, serve, sigmoid, silu, siluGradient, softmax,
} from './operations';
