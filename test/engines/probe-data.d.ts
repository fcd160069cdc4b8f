/** Files that the bundle carries, in base64: an engine need not have a file system. Made by `bundle.ts`. */
declare module 'probe-data' {
  /** Path below the project → contents. */
  export const files: Readonly<Record<string, string>>;
}
