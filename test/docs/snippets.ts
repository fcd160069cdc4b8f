/**
 * What a Markdown page asks its reader to type, and what it says will be seen.
 *
 * | fence | is |
 * |---|---|
 * | `console` | `$ command` lines, each followed by what it prints; a line of prompt ends the output of the one before |
 * | `sh` | commands whose output is not shown |
 * | `ts` that begins with `// lib/...` | a quotation: it stands in that file as it stands here |
 * | any other `ts` | a module that is run; a `text` fence behind it is what it prints |
 *
 * In expected output `…` stands for any characters of a line, and a line that is `…` alone for any lines: times and paths. A comment
 * `<!-- not run: reason -->` before a fence keeps it from being run.
 */

/** A command or a module, and what it prints. */
export interface Snippet {
  readonly kind: 'command' | 'module' | 'quotation';
  readonly text: string;
  /** `undefined` where the page does not say. */
  readonly output: string | undefined;
  /** Line of the page, from 1. */
  readonly line: number;
  /** Why it is not run. */
  readonly notRun: string | undefined;
}

/** Fences that hold what a reader only looks at. */
const SHOWN = new Set(['', 'text', 'json', 'html', 'mermaid']);

/** All snippets of a page, in order. */
export function snippetsOf(markdown: string, page: string): readonly Snippet[] {
  const snippets: Snippet[] = [];
  const fence = /^(```+)([a-z]*)(?: [^\n]*)?\n(.*?)^\1$/gms;
  for (const match of markdown.matchAll(fence)) {
    const [, , language, body] = match;
    const before = markdown.slice(0, match.index);
    const line = before.split('\n').length;
    const notRun = /<!-- not run: ([^>]+) -->\n+$/.exec(before)?.[1];
    if (language === 'console') snippets.push(...transcript(body!, line + 1, notRun));
    else if (language === 'sh') snippets.push(...commands(body!, line + 1, notRun));
    else if (language === 'ts') {
      const kind = /^\/\/ (lib|cli)\//.test(body!) ? 'quotation' : 'module';
      const next = /^\n*```text\n(.*?)^```$/ms.exec(markdown.slice(match.index + match[0].length));
      const output = kind === 'module' && next?.index === 0 ? next[1] : undefined;
      snippets.push({ kind, text: body!, output, line, notRun });
    } else if (!SHOWN.has(language!)) throw new Error(`${page}:${line}: unknown fence '${language}'`);
  }
  return snippets;
}

/** `$ command` and what it prints. */
function transcript(body: string, line: number, notRun: string | undefined): Snippet[] {
  const parts = body.split(/^\$ /m);
  if (parts[0] !== '') throw new Error(`line ${line}: a transcript begins with '$ '`);
  let at = line;
  return parts.slice(1).map((part) => {
    const [, text, output] = /^((?:[^\n]*\\\n)*[^\n]*)\n(.*)$/s.exec(part)!;
    const snippet: Snippet = { kind: 'command', text: text!, output: output!, line: at, notRun };
    at += part.split('\n').length - 1;
    return snippet;
  });
}

/** Commands, one a line; a comment behind a command, and a line of comment, are left out. */
function commands(body: string, line: number, notRun: string | undefined): Snippet[] {
  return body
    .replaceAll('\\\n', '\u0000')
    .split('\n')
    .map((text, i) => ({
      kind: 'command' as const,
      text: text
        .replaceAll('\u0000', '\\\n')
        .replace(/(^|\s+)# .*$/, '')
        .trimEnd(),
      output: undefined,
      line: line + i,
      notRun,
    }))
    .filter(({ text }) => text !== '');
}

/** Whether output is what a page says; trailing blanks and the last line feed do not count. */
export function matches(actual: string, expected: string): boolean {
  const lines = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.trimEnd());
  const pattern = lines(expected)
    .map((line) =>
      line === '…' ? '(?:[^\\n]*\\n)*?[^\\n]*' : line.split('…').map(literally).join('[^\\n]*?'),
    )
    .join('\\n');
  return new RegExp(`^${pattern}$`).test(lines(actual).join('\n'));
}

function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** Whether a quotation stands in its file: its lines, whatever their common indentation; `// …` leaves lines out. */
export function isQuoted(quotation: string, read: (file: string) => string): boolean {
  const [first, ...rest] = quotation.trimEnd().split('\n');
  const code = read(first!.replace(/^\/\/ /, ''))
    .split('\n')
    .map((line) => line.trim());
  let from = 0;
  // Each run of lines between two omissions stands behind the one before.
  const runs = rest
    .join('\n')
    .split(/^\s*\/\/ …$/m)
    .map((run) => run.split('\n').map((line) => line.trim()))
    .map((run) =>
      run.slice(
        run.findIndex((line) => line !== ''),
        run.findLastIndex((line) => line !== '') + 1,
      ),
    )
    .filter((run) => run.length > 0);
  return runs.every((run) => {
    const at = code.findIndex((_, i) => i >= from && run.every((line, k) => code[i + k] === line));
    from = at + run.length;
    return at >= 0;
  });
}
