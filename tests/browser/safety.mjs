// What a page may do to the SDK, and what the SDK may not do to a page.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createWorld, html, KEY, sleep, until } from '../../sdk_js/browser/world.mjs';

const dist = (name) => readFileSync(new URL(`../../sdk_js/dist/${name}`, import.meta.url));
const integrity = `sha384-${createHash('sha384').update(dist('tropa.js')).digest('base64')}`;

const script = (attributes = '') => `<script src="/t.js" data-key="${KEY}" data-url="${world.gate.url}" ${attributes}></script>`;

const strict = () => ({
  headers: {
    'Content-Security-Policy':
      `default-src 'none'; script-src 'nonce-n0nce'; connect-src ${new URL(world.gate.url).origin}; ` +
      "base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  },
  body: html(
    `<script nonce="n0nce">${dist('stub.js')};tropa.page();tropa.track('Early', { at: 1 });tropa.ready(t => { t.track('Ready'); tropa.track('Ready by name') })</script>` +
      script(`async nonce="n0nce" integrity="${integrity}" crossorigin data-auto="pages forms links"`),
  ),
});

const pages = {
  '/strict': strict,
  '/twice': () => html(script('data-auto="pages"') + script('data-auto="pages"')),
  '/clobbered': () => html('', `<form id="tropa"><input name="identify2"></form>${script()}`),
  '/inline': () => html(`<script data-key="${KEY}" data-url="${world.gate.url}">${dist('tropa.js')}</script>`),
  '/relative': () => html(`<script src="/t.js" data-key="${KEY}" data-url="/own/path"></script>`),
  '/own/path': (_, { headers }) => { ownPath.push(headers.cookie ?? ''); return '{}'; },
  '/named': () => html(script('data-name="shop"')),
  '/load': () => html(`<script>${dist('stub.js')};tropa.track('Before load');tropa.load('${KEY}', { url: '${world.gate.url}' })</script><script src="/t.js"></script>`),
  '/frames': () => html('', '<iframe sandbox="allow-scripts" src="/frame"></iframe>'),
  '/frame': () => html(script(), `<script>onload = () => tropa.track('Sandboxed')</script>`),
  '/partitioned': () => html('', `<iframe src="${world.site.elsewhere}/inside"></iframe>`),
  '/inside': () => html(script(), `<script>onload = () => tropa.track('Partitioned')</script>`),
};
const ownPath = [];
const world = createWorld({ pages });

test('strict CSP with a nonce, SRI and Trusted Types: early calls and all helpers work', async () => {
  const page = await world.open({ path: '/strict' });
  const reports = [];
  page.on('console', (message) => message.type() === 'error' && !/404/.test(message.text()) && reports.push(message.text()));
  assert.ok(await world.event(({ event }) => event === 'Ready'));
  assert.ok(await world.event(({ event }) => event === 'Ready by name'));
  const early = await world.event(({ event }) => event === 'Early');
  assert.deepEqual(early.properties, { at: 1 });
  assert.match(early.context.page.url, /\/strict/);
  const views = () => world.recorder.events.filter(({ type, context }) => type === 'page' && context.page.path === '/strict').length;
  await until(() => views() === 2);
  assert.equal(views(), 2);
  assert.deepEqual([page.thrown, reports], [[], []]);
});

test('the stub is at most 200 bytes', () => assert.ok(dist('stub.js').length <= 200));

test('two copies on a page: the first stays in charge', async () => {
  const page = await world.open({ path: '/twice' });
  await page.evaluate(() => tropa.track('Twice'));
  await world.event(({ event }) => event === 'Twice');
  await sleep(400);
  assert.equal(world.named('Twice').length, 1);
  assert.equal(world.recorder.events.filter(({ type, context }) => type === 'page' && context.page.path === '/twice').length, 1);
});

test('an element named like the global does not replace it', async () => {
  const page = await world.open({ path: '/clobbered' });
  await page.evaluate(() => tropa.track('Clobbered'));
  assert.ok(await world.event(({ event }) => event === 'Clobbered'));
});

test('every name can be changed', async () => {
  const page = await world.open({ path: '/named', wait: false });
  await page.evaluate(() => shop.track('Named'));
  assert.ok(await world.event(({ event }) => event === 'Named'));
  await sleep(300);
  const left = await page.evaluate(() => [typeof window.tropa, /shop_id=/.test(document.cookie), ...Object.keys(localStorage).sort()]);
  assert.deepEqual(left, ['undefined', true, 'shop_id', 'shop_session']);
});

test('a page may hold the whole script in itself', async () => {
  const page = await world.open({ path: '/inline' });
  await page.evaluate(() => tropa.track('Inline'));
  assert.ok(await world.event(({ event }) => event === 'Inline'));
  assert.deepEqual(page.thrown, []);
});

test('a batch address without a host is the site’s own, cookies and all', async () => {
  const page = await world.open({ path: '/relative' });
  await page.evaluate(() => { tropa.track('Own path'); tropa.flush(); });
  await until(() => ownPath.length);
  assert.match(ownPath[0], /tropa_id=/);
});

test('load() through the stub', async () => {
  await world.open({ path: '/load' });
  assert.ok(await world.event(({ event }) => event === 'Before load'));
});

test('a sandboxed frame: no cookies, no storage, no exception, delivered', async () => {
  const page = await world.open({ path: '/frames', wait: false });
  assert.ok(await world.event(({ event }) => event === 'Sandboxed'));
  assert.deepEqual(page.thrown, []);
});

test('a partitioned frame of another site is delivered', async () => {
  const page = await world.open({ path: '/partitioned', wait: false });
  assert.ok(await world.event(({ event }) => event === 'Partitioned'));
  assert.deepEqual(page.thrown, []);
});

const refusing = {
  'storage blocked': () => Object.defineProperty(window, 'localStorage', { get: () => { throw new DOMException('no', 'SecurityError'); } }),
  'storage full': () => { for (let i = 0, text = 'x'.repeat(500_000); text; ) try { localStorage[`fill${i++}`] = text; } catch { text = text.slice(0, text.length >> 1); } },
  'cookies blocked': () => Object.defineProperty(Document.prototype, 'cookie', { get: () => { throw new DOMException('no', 'SecurityError'); }, set: () => { throw new DOMException('no', 'SecurityError'); } }),
  'a polluted prototype': () => { Object.prototype.polluted = { toJSON: 1 }; Object.prototype.writeKey2 = 'x'; Array.prototype.junk = () => 1; },
  'a hostile referrer': () => Object.defineProperty(Document.prototype, 'referrer', { get: () => 'javascript:"><img onerror=x>\u0000\ud800%%' }),
  'a fetch that throws at once': () => { const { fetch } = window; let n = 0; window.fetch = (...args) => { if (n++ < 2) throw new Error('wrapped'); return fetch(...args); }; },
};
for (const [what, init] of Object.entries(refusing))
  test(`${what}: no exception reaches the page, nothing is lost`, async () => {
    const page = await world.open({ init, data: { auto: 'pages links forms' } });
    const name = `With ${what}`;
    await page.evaluate((event) => { for (let i = 0; i < 25; i++) tropa.track(event, JSON.parse(`{"i":${i},"__proto__":{"x":1}}`)); }, name);
    await until(() => world.named(name).length >= 25);
    assert.equal(new Set(world.named(name).map(({ properties }) => properties.i)).size, 25);
    assert.deepEqual(page.thrown, []);
  });

test('forms and outbound links: what was typed stays at home', async () => {
  const page = await world.open({ data: { auto: 'forms links' } });
  await page.evaluate(() => {
    document.body.innerHTML = '<form id="newsletter" name="news" action="/plain"><input name="id" value="secret"><button>go</button></form>';
    document.dispatchEvent(new Event('click'));
    document.dispatchEvent(new Event('submit'));
    document.querySelector('form').addEventListener('submit', (event) => event.preventDefault());
  });
  await page.click('button');
  const submitted = await world.event(({ event }) => event === 'Form Submitted');
  assert.deepEqual(submitted.properties, { id: 'newsletter', name: 'news', action: '/plain' });
  assert.ok(!JSON.stringify(submitted).includes('secret'));
  assert.deepEqual(page.thrown, []);
});

test('an outbound link counts when it is followed, not when its menu is opened', async () => {
  const page = await world.open({ data: { auto: 'links' } });
  await page.evaluate((href) => {
    document.body.innerHTML = `<a href="${href}/plain?followed">out</a>`;
    document.querySelector('a').addEventListener('click', (event) => event.preventDefault());
  }, world.site.elsewhere);
  await page.click('a', { button: 'right' });
  await page.click('a');
  const clicks = () => world.named('Link Clicked').filter(({ properties }) => properties.url.endsWith('followed'));
  assert.ok(await until(() => clicks().length));
  await sleep(400);
  assert.equal(clicks().length, 1);
});

const SHAPES = [
  '{"__proto__":{"polluted":1}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"a":{"__proto__":{"polluted":1}},"__proto__":{"toJSON":1}}',
  '{"2":[{"__proto__":{"polluted":1}}],"list":["__proto__",{"polluted":1}]}',
  '{"__proto__":null,"toString":1,"valueOf":2,"hasOwnProperty":3,"length":-1}',
];
/** Where a page, its address or what an earlier script left may carry one: through calls, then before the script starts. */
const CALLS = ['properties', 'traits', 'group traits', 'page properties', 'context', 'integrations'];
const PLACES = ['address', 'user', 'session', 'queue'];

test(`${SHAPES.length * (CALLS.length + PLACES.length)} prototype-pollution payloads: nothing is polluted, nothing thrown, nothing lost`, async () => {
  for (const [n, shape] of SHAPES.entries()) {
    const init = `
      localStorage.tropa_user = localStorage.tropa_session = ${JSON.stringify(shape)};
      localStorage.tropa_q_0123456789ab = ${JSON.stringify(`[1,${shape}]`)};`;
    const address = `${world.site.origin}/?__proto__[polluted]=1&constructor.prototype.polluted=1&utm___proto__=${encodeURIComponent(shape)}`;
    const page = await world.open({ init, address });
    const polluted = await page.evaluate(([text, i]) => {
      const shaped = () => JSON.parse(text);
      tropa.track(`Shape ${i} properties`, shaped());
      tropa.identify(`shape-${i}`, shaped());
      tropa.group(`shape-${i}`, shaped());
      tropa.page(`Shape ${i} page`, shaped());
      tropa.track(`Shape ${i} context`, {}, { context: shaped() });
      tropa.track(`Shape ${i} integrations`, {}, { integrations: shaped() });
      tropa.flush();
      const probe = {};
      return ['polluted' in probe, 'toJSON' in probe, [].polluted, probe.toString()];
    }, [shape, n]);
    assert.deepEqual(polluted, [false, false, undefined, '[object Object]'], shape);
    const arrived = ({ type, event, name, userId, groupId }) =>
      [event, name].some((one) => one?.startsWith(`Shape ${n} `)) || `${type} ${userId}` === `identify shape-${n}` || groupId === `shape-${n}`;
    await until(() => world.recorder.events.filter(arrived).length >= CALLS.length, 5000);
    assert.equal(world.recorder.events.filter(arrived).length, CALLS.length, shape);
    assert.deepEqual(page.thrown, [], shape);
  }
});
