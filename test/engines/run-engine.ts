/** Runs the bundle under one engine and brings back its report. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from './engines.ts';
import { type Running, start } from './process.ts';
import type { Report } from './report.ts';

/** Longest that an engine may take, in milliseconds: an interpreter on a busy machine needs two minutes. */
const RUN_LIMIT = 240_000;

/** Where everything is. */
export interface Files {
  /** The bundle. */
  readonly bundle: string;
  /** The bundle, and after it what prints the report. */
  readonly printing: string;
  /** `quickjs.mjs`. */
  readonly quickjs: string;
}

/** To be put behind the bundle for an engine that has a terminal. In gjs, `console.log` writes to stderr. */
export const PRINT_REPORT =
  "\nconst print = 'imports' in globalThis ? globalThis.print : console.log;\nprint(await globalThis.probe());\n";

/** The page that runs the bundle. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>probe</title><script src="/probe.js"></script><script>
const send = (body) => fetch('/report', { method: 'POST', body });
addEventListener('error', (event) => send(event.message));
probe().then(send, (error) => send(String(error)));
</script>`;

/** What {@link Report} a text is. @throws Error with the beginning of the text if it is none */
function parseReport(text: string): Report {
  try {
    return JSON.parse(text) as Report;
  } catch {
    throw new Error(`no report, but: ${text.trim().slice(0, 300) || 'nothing'}`);
  }
}

/** @param path the engine's program, or its folder */
export async function runEngine({ host }: Engine, path: string, files: Files): Promise<Report> {
  switch (host.kind) {
    case 'terminal':
      return parseReport(await start(path, [...host.args, files.printing], RUN_LIMIT).output);
    case 'quickjs':
      return parseReport(
        await start(process.execPath, [files.quickjs, path, files.bundle], RUN_LIMIT).output,
      );
    case 'browser':
      return parseReport(await runBrowser(path, host.args, host.isolated, files.bundle));
  }
}

/** The engine's version: the first number with a dot that its program prints. */
export async function versionOf({ source }: Engine, path: string): Promise<string> {
  if (source.kind === 'npm' && source.file === '') return source.version;
  const output = await start(path, ['--version'], RUN_LIMIT).output;
  return /\d+(?:\.\d+)+/.exec(output)?.[0] ?? '?';
}

/** Has a browser open the page; resolves to what the page sends. */
async function runBrowser(
  program: string,
  argsFor: (profile: string) => readonly string[],
  isolated: boolean,
  bundle: string,
): Promise<string> {
  const headers = isolated
    ? { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }
    : {};
  const contents = {
    '/': { type: 'text/html', body: PAGE },
    '/probe.js': { type: 'text/javascript', body: readFileSync(bundle) },
  };
  const profile = mkdtempSync(join(tmpdir(), 'engines-'));
  const server = createServer();
  let browser: Running | undefined;
  try {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    return await new Promise<string>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error('the page sent nothing in time')), RUN_LIMIT);
      server.on('close', () => clearTimeout(limit));
      server.on('request', (request, response) => {
        if (request.method === 'POST') {
          let text = '';
          request.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          });
          request.on('end', () => {
            response.end();
            resolve(text);
          });
          return;
        }
        const content = contents[request.url as keyof typeof contents];
        if (content === undefined) response.writeHead(404);
        else response.writeHead(200, { ...headers, 'Content-Type': content.type });
        response.end(content?.body);
      });
      browser = start(program, [...argsFor(profile), `http://127.0.0.1:${port}/`], RUN_LIMIT);
      browser.output.then(() => reject(new Error('the browser ended before the page sent anything')), reject);
    });
  } finally {
    await browser?.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
