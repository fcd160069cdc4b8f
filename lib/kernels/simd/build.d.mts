/** The text of `binary.ts` for the sources that `read` gives, by path. */
export function binaryModule(read: (file: string) => string): Promise<string>;
