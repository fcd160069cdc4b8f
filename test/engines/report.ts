/** What the probe says about the engine that it runs in. */

/** How a value was computed. */
export type Way = 'functions' | 'f64' | 'f32 reference' | 'f32 simd' | 'f32 simd, 2 threads';

/** Every way, in the order of the table's columns. */
export const WAYS: readonly Way[] = ['functions', 'f64', 'f32 reference', 'f32 simd', 'f32 simd, 2 threads'];

/** One value. Lines of the same claim must have the same hash, on every engine and in every way. */
export interface Line {
  /** What was computed, e.g. `f32 matmulNT`. */
  readonly claim: string;
  readonly way: Way;
  /** SHA-256 of the little-endian bytes, every NaN the same, in hexadecimal. */
  readonly sha256: string;
}

/** Everything that an engine computed. */
export interface Report {
  readonly lines: readonly Line[];
  /** The ways that it cannot go, and why. */
  readonly lacks: Readonly<Partial<Record<Way, string>>>;
}
