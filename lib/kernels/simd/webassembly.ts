/**
 * The part of the WebAssembly interface that is used here, typed: TypeScript has it in its browser library alone, which this
 * project does not use.
 *
 * @module
 */

/** A linear memory; `buffer` is another object after each `grow`. */
export interface WebAssemblyMemory {
  readonly buffer: ArrayBufferLike;
  grow(pages: number): number;
}

/** The global `WebAssembly`. */
export interface WebAssemblyInterface {
  readonly Memory: new (descriptor: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared?: boolean;
  }) => WebAssemblyMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: WebAssemblyMemory } },
  ) => { readonly exports: object };
  validate(bytes: Uint8Array): boolean;
}

/** The engine's WebAssembly; `undefined` if it has none. */
export const webAssembly = (globalThis as unknown as { readonly WebAssembly?: WebAssemblyInterface })
  .WebAssembly;
