// What the sources build, as a map of file name to bytes: build.mjs writes it, check.mjs compares it.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { minify } from 'terser';

export const root = fileURLToPath(new URL('..', import.meta.url));
/** Where the collector keeps the files that it serves: copies, so that its wheel has them. */
export const served = join(root, '../collector/tropa_collector/receive/browser_sdk');
export const servedFiles = ['tropa.js', 'stub.js'];
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const shared = {
  absWorkingDir: root,
  bundle: true,
  write: false,
  target: 'es2019',
  charset: 'utf8',
  define: { __VERSION__: JSON.stringify(version) },
  // Sloppy mode is enough for an IIFE of arrow functions; the types are checked strictly by tsc.
  tsconfigRaw: { compilerOptions: { alwaysStrict: false, strict: false } },
};

/** The script tag, one IIFE. terser joins neighbouring declarations of one kind, so there is one kind. */
const tagScript = async () => {
  const { outputFiles } = await build({ ...shared, entryPoints: ['src/tag.ts'], format: 'iife' });
  const { code } = await minify(outputFiles[0].text.replace(/^( *)const /gm, '$1let '), {
    ecma: 2019,
    toplevel: true,
    compress: { passes: 3, unsafe: true, pure_getters: true, keep_fargs: false, unsafe_arrows: true },
  });
  return `${code}\n`;
};

/** The npm entries, readable: the site's own bundler minifies them. */
const modules = async () => {
  const { outputFiles } = await build({
    ...shared,
    entryPoints: ['src/index.ts', 'src/pages.ts', 'src/forms.ts', 'src/links.ts'],
    format: 'esm',
    outdir: 'dist',
  });
  return outputFiles.map(({ path, text }) => [path.slice(join(root, 'dist/').length), text]);
};

const declarations = () => {
  const out = mkdtempSync(join(tmpdir(), 'tropa-types-'));
  try {
    const tsc = join(root, 'node_modules/.bin/tsc');
    execFileSync(tsc, ['-p', root, '--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', out]);
    const published = ['index', 'types', 'pages', 'forms', 'links', 'ecommerce'].map((name) => `${name}.d.ts`);
    return readdirSync(out)
      .filter((name) => published.includes(name))
      // Node's own resolution wants the extension, bundlers take both.
      .map((name) => [`types/${name}`, readFileSync(join(out, name), 'utf8').replace(/(from '\.\/\w+)'/g, "$1.js'")]);
  } finally {
    rmSync(out, { recursive: true });
  }
};

export const bundle = async () =>
  new Map([
    ['tropa.js', await tagScript()],
    ['stub.js', readFileSync(join(root, 'snippet/stub.js'), 'utf8').trim()],
    ...(await modules()),
    ...declarations(),
  ]);
