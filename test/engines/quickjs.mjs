// Runs the bundle in QuickJS: node quickjs.mjs <folder of quickjs-emscripten> <bundle>. The engine's own code is WebAssembly here;
// what runs in it has none.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder, bundle] = process.argv.slice(2);
const { getQuickJS } = createRequire(join(folder, 'package.json'))('quickjs-emscripten');
const engine = (await getQuickJS()).newContext();

/** The value of a script; what it throws is thrown here. */
const evaluate = (code) => {
  const value = engine.unwrapResult(engine.evalCode(code));
  const copy = engine.dump(value);
  value.dispose();
  return copy;
};

evaluate(readFileSync(bundle, 'utf8'));
evaluate(`
  globalThis.report = null;
  probe().then((text) => { report = text; }, (error) => { report = error + '\\n' + error.stack; });
  undefined;
`);
engine.runtime.executePendingJobs();
console.log(evaluate('report'));
