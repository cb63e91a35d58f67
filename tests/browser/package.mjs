// The npm package as its users get it: packed, resolved by a bundler and by Node, typed.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createWorld, html, KEY } from '../../sdk_js/browser/world.mjs';

const sdk = fileURLToPath(new URL('../../sdk_js', import.meta.url));
const { build } = createRequire(join(sdk, 'package.json'))('esbuild');

const SHOP = `
import { createTropa, enablePageViews, type EcommerceEvents } from '@tropa/browser';
import { enableForms } from '@tropa/browser/forms';
import { enableOutboundLinks } from '@tropa/browser/links';
declare const ENDPOINT: string;
declare const KEY: string;
const tropa = createTropa<EcommerceEvents & { Custom: { n: number } }>({ writeKey: KEY, url: ENDPOINT });
const stop: (() => void)[] = [enablePageViews(tropa), enableForms(tropa), enableOutboundLinks(tropa)];
tropa.track('Product Added', { product_id: 'sku-1', price: 990 });
tropa.track('Custom', { n: stop.length });
`;
const PORTED = `
import { createTropa } from '@tropa/browser';
const analytics = createTropa();
interface Traits { email: string }
const traits: Traits = { email: 'anna@example.com' };
const done = () => {};
analytics.identify('42', traits, { integrations: { All: true } }, done);
analytics.identify(null, traits, done);
analytics.track('Signed Up', null, { timestamp: new Date() });
analytics.track('Signed Up', done);
analytics.page({ section: 'tea' });
analytics.page(null, 'Tea', traits, {}, done);
analytics.group('acme', traits, {}, done);
analytics.alias('43', done);
`;
const WRONG = `
import { createTropa, type EcommerceEvents } from '@tropa/browser';
const tropa = createTropa<EcommerceEvents>();
// @ts-expect-error a product needs its id
tropa.track('Product Added', { price: 990 });
// @ts-expect-error no such event
tropa.track('Product Aded', { product_id: 'sku-1' });
`;

let project;
before(() => {
  project = mkdtempSync(join(tmpdir(), 'tropa-shop-'));
  const installed = join(project, 'node_modules/@tropa/browser');
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', project], { cwd: sdk, stdio: ['ignore', 'pipe', 'ignore'] }));
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['xzf', join(project, filename), '-C', installed, '--strip-components=1']);
  writeFileSync(join(project, 'package.json'), '{"type":"module"}');
  writeFileSync(join(project, 'shop.ts'), SHOP);
  writeFileSync(join(project, 'ported.ts'), PORTED);
  writeFileSync(join(project, 'wrong.ts'), WRONG);
});
after(() => rmSync(project, { recursive: true }));

const world = createWorld({ pages: { '/shop': () => html(`<script type="module">${world.bundle}</script>`) } });

test('types: right code and what was written for Segment pass, wrong code does not, under both module resolutions', () => {
  for (const [resolution, module] of [['bundler', 'esnext'], ['node16', 'node16']])
    execFileSync(join(sdk, 'node_modules/.bin/tsc'), ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2020', '--lib', 'es2020,dom', '--types', '', '--moduleResolution', resolution, '--module', module, 'shop.ts', 'ported.ts', 'wrong.ts'], { cwd: project, stdio: 'pipe' });
});

test('an ESM bundle of it delivers', async () => {
  const { outputFiles } = await build({
    absWorkingDir: project, entryPoints: ['shop.ts'], bundle: true, format: 'esm', write: false, minify: true,
    define: { ENDPOINT: JSON.stringify(world.gate.url), KEY: JSON.stringify(KEY) },
  });
  world.bundle = outputFiles[0].text;
  const page = await world.open({ path: '/shop', wait: false });
  assert.ok(await world.event(({ event, properties }) => event === 'Custom' && properties.n === 3));
  assert.ok(await world.event(({ event }) => event === 'Product Added'));
  assert.ok(await world.event(({ type }) => type === 'page'));
  assert.deepEqual(page.thrown, []);
});

test('unused helpers are not in the bundle, and a server may import it', async () => {
  const code = "import { createTropa } from '@tropa/browser'; globalThis.made = createTropa({ writeKey: 'wk', url: 'https://x.example/v1/batch' }); made.track('x');";
  const { outputFiles } = await build({ absWorkingDir: project, stdin: { contents: code, resolveDir: project }, bundle: true, format: 'esm', write: false });
  assert.ok(!/currententrychange|Form Submitted/.test(outputFiles[0].text));
  writeFileSync(join(project, 'server.mjs'), code);
  execFileSync(process.execPath, ['server.mjs'], { cwd: project, stdio: 'pipe' });
});

test('bad arguments raise at construction', () => {
  writeFileSync(join(project, 'bad.mjs'), "import { createTropa } from '@tropa/browser'; try { createTropa({ writeKey: 'wk' }); process.exit(1) } catch (error) { process.exit(error instanceof TypeError ? 0 : 2) }");
  execFileSync(process.execPath, ['bad.mjs'], { cwd: project, stdio: 'pipe' });
});

test('nothing but dist is packed', () => {
  const [{ files }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json'], { cwd: sdk, stdio: ['ignore', 'pipe', 'ignore'] }));
  assert.ok(files.every(({ path }) => /^(dist\/|package\.json$|README\.md$|LICENSE$)/.test(path)), files.map(({ path }) => path).join());
  assert.ok(!readFileSync(join(sdk, 'package-lock.json'), 'utf8').includes('"resolved"'));
});
