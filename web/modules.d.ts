/** The sections of SPEC.md, made by `build.mjs`. */
declare module 'virtual:spec' {
  export const sections: unknown;
}
