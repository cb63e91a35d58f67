// The collector as a site meets it: its own script, its own answers and cookies, nothing between.

import assert from 'node:assert/strict';
import { test as always } from 'node:test';
import { createWorld, html, real, sleep, until } from '../../sdk_js/browser/world.mjs';

const test = (name, body) => always(name, { skip: !real && 'no real collector is named' }, body);

const CSP =
  `default-src 'none'; script-src 'nonce-n0nce'; connect-src ${real?.url}; base-uri 'none'; ` +
  "require-trusted-types-for 'script'; trusted-types 'none'";
const strict = (snippet) => ({
  headers: { 'Content-Security-Policy': CSP },
  body: html(
    snippet.replaceAll('<script', '<script nonce="n0nce"') +
      `<script nonce="n0nce">tropa.track('From the stub', { label: document.title })</script>`,
  ),
});

const forged = (key) =>
  `{"writeKey":"${key}","batchId":"0123456789ab","context":{"consent":{"state":"granted"}},` +
  `"batch":[{"type":"track","event":"Forged","messageId":"forged ${key}","anonymousId":null,"properties":{"x":"`;

const pages = {
  '/pinned': () => strict(real.snippet),
  '/altered': () => strict(real.snippet.replace(/sha384-[^"]{8}/, 'sha384-AAAAAAAA')),
  '/alias': () => html(`<script src="${real.url}/t/a.js" data-key="${real.key}"></script>`),
  '/form': (url) =>
    html('', `<form method="post" enctype="text/plain" action="${real.url}/v1/batch"><input name='${forged(url.searchParams.get('key'))}' value='"}}]}'></form>`),
};
const world = createWorld({ pages });

const stored = (event) =>
  until(async () => {
    const query = new URLSearchParams({ event, limit: '1' });
    const headers = { Authorization: `Bearer ${real.token}` };
    return (await (await fetch(`${real.admin}/api/v1/events?${query}`, { headers })).json()).events[0];
  });

const cookiesOf = async (page) =>
  Object.fromEntries((await page.context().cookies(real.url)).map(({ name, value }) => [name, value]));

test('the pinned snippet under a strict CSP: the hash holds, early calls arrive, the answer renews the cookie', async () => {
  const page = await world.open({ path: '/pinned', wait: false });
  const early = await stored('From the stub');
  assert.equal(early.properties.label, 'Shop');
  const renewed = await until(async () => /\.\d{10}$/.test((await cookiesOf(page)).tropa_id) && cookiesOf(page));
  assert.equal(renewed.tropa_id.split('.')[0], early.anonymousId);
  assert.match(renewed.tropa_ack, /^[0-9a-f]{12}$/);
  assert.deepEqual(page.thrown, []);
});

test('bytes that do not match the hash do not run', async () => {
  const page = await world.open({ path: '/altered', wait: false });
  await sleep(300);
  assert.ok(await page.evaluate(() => Array.isArray(tropa)), 'still the stub');
});

test('an alias of the script sends beside itself', async () => {
  const page = await world.open({ path: '/alias' });
  await page.evaluate(() => tropa.track('Alias'));
  assert.ok(await stored('Alias'));
});

for (const which of ['key', 'hiddenKey'])
  test(`a form of another site sets no cookie: ${which}`, async () => {
    const page = await world.open({ address: `${world.site.elsewhere}/form?key=${real[which]}`, wait: false });
    const [answer] = await Promise.all([page.waitForResponse(/v1\/batch/), page.evaluate(() => document.forms[0].submit())]);
    assert.equal(answer.status(), 200);
    assert.equal(await answer.headerValue('set-cookie'), null);
    assert.deepEqual(await cookiesOf(page), {});
    assert.equal((await stored('Forged')).anonymousId ?? null, null);
  });

test('cookieless: a session beside the event, the same on the next page, and no id', async () => {
  const context = await world.visitor();
  for (const n of [1, 2]) {
    const page = await world.open({ data: { consent: 'cookieless', url: `${real.url}/v1/batch` }, context });
    await page.evaluate((name) => tropa.track(name), `Cookieless ${n}`);
  }
  const [one, two] = [await stored('Cookieless 1'), await stored('Cookieless 2')];
  assert.match(one.enriched.session, /^[0-9a-f]{32}$/);
  assert.equal(one.enriched.session, two.enriched.session);
  assert.deepEqual([one.contact_id ?? null, one.anonymousId ?? null, await cookiesOf({ context: () => context })], [null, null, {}]);
});

test('GPC in the header is kept with the event', async () => {
  const context = await world.visitor({ extraHTTPHeaders: { 'Sec-GPC': '1' } });
  const page = await world.open({ context, data: { url: `${real.url}/v1/batch` } });
  await page.evaluate(() => tropa.track('Signal'));
  assert.equal((await stored('Signal')).context.consent.gpc, true);
});

test('the linker’s parameter is not stored, not even from an early call', async () => {
  const page = await world.open({ path: '/pinned', wait: false, address: `${world.site.origin}/pinned?tropa_id=abc.1.2&a=1` });
  const early = await until(async () => {
    const event = await stored('From the stub');
    return event.context.page.url.includes('a=1') && event;
  });
  assert.ok(early, 'the newest early call is this page’s');
  assert.ok(!JSON.stringify(early.context.page).includes('tropa_id'));
  await page.close();
});
