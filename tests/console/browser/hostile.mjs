// Two hundred XSS payloads in every field of events, traits, names and user agents: nothing runs, nothing is reported.

import { after, before, test } from 'node:test';
import { assert, browserKey, HUGE, openConsole, send, serverKey } from './console.mjs';

const RUN = 'window.pwned=1';
const SEEDS = [
  `<script>${RUN}</script>`, `"><script>${RUN}</script>`, `'><script>${RUN}</script>`, `</script><script>${RUN}</script>`, `</title><script>${RUN}</script>`,
  `</textarea><script>${RUN}</script>`, `</pre></code><script>${RUN}</script>`, `<img src=x onerror=${RUN}>`, `<svg onload=${RUN}>`, `<svg><script>${RUN}</script>`,
  `"><img src=x onerror="${RUN}">`, `' onmouseover='${RUN}`, `" autofocus onfocus="${RUN}`, `javascript:${RUN}`, `java\tscript:${RUN}`,
  `data:text/html,<script>${RUN}</script>`, `<iframe srcdoc="<script>parent.${RUN}</script>">`, `<iframe src="javascript:parent.${RUN}">`, `<a href="javascript:${RUN}">x</a>`, `<body onload=${RUN}>`,
  `<details open ontoggle=${RUN}>`, `<input autofocus onfocus=${RUN}>`, `<video><source onerror=${RUN}>`, `<math><mtext></mtext><script>${RUN}</script></math>`, `<object data="javascript:${RUN}">`,
  `<style>@import 'http://127.0.0.1:1/x.css'</style>`, `<link rel=stylesheet href=http://127.0.0.1:1/x.css>`, `<meta http-equiv=refresh content="0;url=javascript:${RUN}">`, `<base href="http://127.0.0.1:1/">`, `<form action="javascript:${RUN}"><button>x`,
  `{{constructor.constructor('${RUN}')()}}`, `\${${RUN}}`, `{% raw %}<script>${RUN}</script>`, `{{ 7*7 }}{{ config }}`, `<div hx-get="/x" hx-trigger="load" hx-on::load="${RUN}">`,
  `<div hx-on:click="${RUN}" data-hx-on-click="${RUN}">`, `<template><script>${RUN}</script></template>`, `<noscript><p title="</noscript><img src=x onerror=${RUN}>">`, `<!--><script>${RUN}</script>-->`, `<![CDATA[<script>${RUN}</script>]]>`,
];
const TURNS = [
  (text) => text,
  (text) => `\t${text.toUpperCase().replaceAll('WINDOW.PWNED', 'window.pwned')}`,
  (text) => `"'>${encodeURIComponent(text)}`,
  (text) => `&quot;&gt;${text.replaceAll('<', '&lt;').replaceAll('>', '&gt;')}`,
  (text) => `\u202e${text}\u2028${text}`,
];
export const PAYLOADS = TURNS.flatMap((turn) => SEEDS.map(turn));

const hostile = (text, number) => {
  const context = {
    userAgent: text, ip: text.slice(0, 40), locale: text, timezone: text, library: { name: text, version: text },
    page: { url: text, path: text, title: text, referrer: text, search: text }, campaign: { name: text, source: text, medium: text },
    traits: { [text]: text }, device: { model: text }, os: { name: text },
  };
  const common = { context, messageId: `${number}-${text}`.slice(0, 190), anonymousId: `x-${number}` };
  const properties = { [text]: text, name: text, order_id: text, currency: text, list: [text, { [text]: text }], email: text };
  return [
    { ...common, type: 'track', event: text.slice(0, 255), properties },
    { ...common, messageId: `p${common.messageId}`, type: 'page', name: text.slice(0, 255), category: text, properties },
    { ...common, messageId: `i${common.messageId}`, type: 'identify', userId: `u${number}${text}`.slice(0, 200), traits: { name: text, first_name: text, email: text, [text]: text } },
    { ...common, messageId: `g${common.messageId}`, type: 'group', groupId: text.slice(0, 200), traits: { name: text } },
    { ...common, messageId: `b${common.messageId}`, type: text, event: text, properties, [text]: text },
    { ...common, messageId: `t${common.messageId}`, type: 'track', event: text.slice(0, 255), timestamp: text, properties },
    { ...common, messageId: `d${common.messageId}`, type: 'track', event: text.slice(0, 255), properties: { [text]: { [text]: HUGE } } },
  ];
};

let world;

before(async () => {
  assert.equal(new Set(PAYLOADS).size, 200);
  world = await openConsole();
  for (let at = 0; at < PAYLOADS.length; at += 20) {
    const batch = PAYLOADS.slice(at, at + 20).flatMap((text, number) => hostile(text, at + number));
    const answer = await send('/v1/batch', { batch }, at % 40 ? serverKey : browserKey);
    assert.equal(answer.accepted, 80, JSON.stringify(answer.errors?.[0]));
  }
});
after(() => world.close());

const hrefs = (page, selector) => page.locator(selector).evaluateAll((links) => links.map((link) => link.getAttribute('href')));

test('every list shows them as text', async () => {
  const { page, visit, check } = world;
  for (const path of ['/', '/schema', '/quarantine', '/setup', `/contacts?q=${encodeURIComponent(SEEDS[0])}`, '/contacts', `/live?text=${encodeURIComponent(SEEDS[1])}&source=${encodeURIComponent(SEEDS[2])}`]) await visit(path);
  await visit('/schema');
  assert.ok(await page.locator('tbody tr').count() > 200);
  assert.equal(await page.locator('main script, main iframe, main object, main img, main base, main style').count(), 0);
  await check();
});

test('the live view shows them as text, chosen ones too', async () => {
  const { page, visit, check } = world;
  await visit('/live');
  await page.waitForSelector('.feed-row');
  for (const selector of ['.feed > li:not(.bad) .feed-row', '.feed > li.bad .feed-row']) {
    for (let number = 0; number < 5; number += 1) {
      await page.locator(selector).nth(number * 3).click();
      await page.waitForSelector('#detail .json');
    }
  }
  assert.ok((await page.locator('.feed').textContent()).includes(RUN));
  await check();
});

test('each event of each kind, whole, is text', async () => {
  const { page, check, context } = world;
  const paths = [];
  for (let id = 1; id <= 800; id += 23) paths.push(`/live/event/${id}`);
  for (let id = 1; id <= 600; id += 23) paths.push(`/quarantine/${id}`);
  for (let id = 1; id <= 200; id += 23) paths.push(`/contacts/id:c${id}`, `/contacts/id:c${id}/identity`);
  const reports = await page.evaluate(async (addresses) => {
    // Parsed as a page would be, without leaving this one: what a parser makes of the text is what counts.
    const found = [];
    for (const address of addresses) {
      const answer = await fetch(address, { headers: { Accept: 'text/html' } });
      const parsed = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const odd = parsed.querySelectorAll('script:not([src^="/static/"]), iframe, object, embed, base, style, main img, [style], [srcdoc]');
      const handlers = [...parsed.querySelectorAll('*')].filter((one) => [...one.attributes].some(({ name, value }) => /^on|hx-on/.test(name) || /^\s*(javascript|data):/i.test(value) && ['href', 'src', 'action', 'formaction'].includes(name)));
      if (answer.status !== 200 || odd.length || handlers.length) found.push(`${address} ${answer.status} ${odd.length} ${handlers.length}`);
    }
    return found;
  }, paths);
  assert.deepEqual(reports, []);
  for (const path of [...paths.slice(0, 4), ...paths.slice(-8)]) await world.visit(path);
  await check();
  assert.equal(context.pages().length, 1, 'no window was opened');
});

test('pages of names and reasons made of them are text', async () => {
  const { page, visit, check } = world;
  await visit('/schema');
  const events = await hrefs(page, 'main tbody a[href^="/schema/event"]');
  await visit('/quarantine');
  const reasons = await hrefs(page, 'main tbody a[href^="/quarantine/reason"]');
  assert.ok(events.length > 200 && reasons.length > 50, `${events.length} ${reasons.length}`);
  for (const path of [...events.filter((_, at) => at % 40 === 0), ...reasons.filter((_, at) => at % 20 === 0)]) {
    await visit(path);
    if (path.startsWith('/schema')) await page.waitForSelector('#plan');
    await check();
  }
});

test('the tester and a replay show them as text', async () => {
  const { page, visit, check } = world;
  for (const text of SEEDS.slice(0, 4)) {
    await visit('/setup/try');
    await page.fill('#event', JSON.stringify(hostile(text, 9_000)[2]));
    await Promise.all([page.waitForLoadState(), page.click('button:has-text("Send")')]);
    await page.waitForSelector('#result');
    await check();
  }
  await visit('/quarantine/1');
  await Promise.all([page.waitForNavigation(), page.click('button:has-text("Replay as it is")')]);
  await check();
});
