// The marketer's story: find Anna by phone, see her anonymous visits and how she first came, understand why she is one
// person, split a wrong merge. Then hostile names, masked screens and axe-core on the same pages.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { admin, assert, browserKey, openConsole, send, until } from './console.mjs';

const require = createRequire(new URL('../../../sdk_js/package.json', import.meta.url));
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const SERIOUS = ['serious', 'critical'];
const DAY = 86_400_000;
const STRANGERS = 3;
const RUN = 'window.pwned=1';
const HOSTILE = [
  `<script>${RUN}</script>`, `"><img src=x onerror=${RUN}>`, `' onmouseover='${RUN}`, `</title><script>${RUN}</script>`, `<svg onload=${RUN}>`,
  `javascript:${RUN}`, `{{ 7*7 }}\${${RUN}}`, `</text></svg><script>${RUN}</script>`, `" autofocus onfocus="${RUN}`, `<div hx-get=/x hx-trigger=load>`,
];

let world;
let anna;

const ago = (days, minutes = 0) => new Date(Date.now() - days * DAY + minutes * 60_000).toISOString();
const seen = (path, fields) => ({ type: 'page', name: 'Shop', context: { page: { url: `https://shop.example${path}`, path, title: path, referrer: '' } }, ...fields });

const seed = async () => {
  await send('/v1/batch', { batch: [
    seen('/?utm_source=telegram&utm_campaign=spring', { anonymousId: 'a-anna', timestamp: ago(3) }),
    seen('/p/chess', { anonymousId: 'a-anna', timestamp: ago(3, 5) }),
    seen('/p/go', { anonymousId: 'a-anna', timestamp: ago(2) }),
    { type: 'identify', anonymousId: 'a-anna', userId: '42', timestamp: ago(1), traits: { name: 'Anna', email: 'anna@example.com', phone: '+79161234567' } },
    { type: 'track', event: 'Product Added', anonymousId: 'a-anna', userId: '42', timestamp: ago(1, 1), properties: { name: 'Chess set', price: 39.95, currency: 'EUR' } },
    { type: 'identify', anonymousId: 'a-clara', timestamp: ago(1), traits: { name: 'Clara', email: 'clara@example.com', city: 'Tver' } },
  ] }, browserKey);
  await send('/v1/track', { event: 'Order Completed', userId: '42', timestamp: ago(1, 3), properties: { order_id: 'o-1', total: 39.95, currency: 'EUR', products: [{ name: 'Chess set' }] } });
  const traits = Object.fromEntries(HOSTILE.map((text) => [text, { [text]: text }]));
  await send('/v1/batch', { batch: HOSTILE.slice(0, STRANGERS).flatMap((text, number) => [
    { type: 'identify', anonymousId: `x-${number}`, userId: `${text}${number}`, traits: { ...traits, name: text }, context: { externalIds: [{ type: 'crm', id: `${text}-crm` }], page: { title: text, url: text } } },
    ...HOSTILE.map((name) => ({ type: 'track', event: name, userId: `${text}${number}`, properties: { name, order_id: name, total: 5, currency: name } })),
  ]) });
};

const say = async (page, reason) => {
  await page.fill('[name=actor]', 'Maria');
  await page.fill('[name=reason]', reason);
};

before(async () => {
  world = await openConsole();
  await seed();
});
after(() => world.close());

test('she is found by her phone, as people write it', async () => {
  const { page, visit, check } = world;
  await visit('/contacts');
  assert.ok(await page.locator('#found tbody tr').count() >= 3);
  await page.fill('#q', '8 916 123-45-67');
  assert.ok(await until(async () => (await page.locator('#found tbody tr').count()) === 1));
  assert.match(await page.locator('#found').textContent(), /Anna.*anna@example\.com/s);
  await page.fill('#q', 'nobody at all');
  await page.waitForSelector('#found .empty');
  await page.fill('#q', 'clar');
  await page.waitForSelector('#found td:has-text("Clara")');
  await page.fill('#q', '');
  await page.fill('#did', 'Order Completed');
  await page.waitForSelector('#found td:has-text("Anna")');
  await page.locator('#found a:has-text("Anna")').click();
  await page.waitForSelector('h1:has-text("Anna")');
  anna = new URL(page.url()).pathname;
  assert.match(anna, /^\/contacts\/id:c\d+$/);
  await check();
});

test('her visits before she was known, and how she first came', async () => {
  const { page, visit, check } = world;
  await visit(anna);
  const visits = await page.locator('.visit').evaluateAll((all) => all.map((one) => [one.classList.contains('anonymous'), one.textContent.replace(/\s+/g, ' ')]));
  assert.deepEqual(visits.map(([anonymous]) => anonymous), [false, true, true]);
  assert.match(visits[0][1], /order 39\.95 EUR.*Order Completed № o-1.*Chess set/);
  assert.match(visits[2][1], /anonymous visit.*5 min · 2 events · from telegram \/ spring/);
  assert.match(await page.locator('.touches').textContent(), /First touch\s*telegram \/ spring/);
  await page.waitForSelector('.plot canvas');
  await page.locator('.moment.order a').click();
  await page.waitForSelector('.stages');
  await check();
});

test('why she is one person: a picture, and a sentence for each link', async () => {
  const { page, visit, check } = world;
  await visit(anna);
  await page.click('.tabs a:not([aria-current])');
  await page.waitForSelector('.graph');
  assert.equal(await page.locator('.graph .node').count(), 4);
  assert.equal(await page.locator('.graph .edge').count(), 3);
  assert.equal(await page.locator('.reasons > li[id]').count(), 3);
  await page.locator('.graph .edge').nth(1).focus();
  assert.match(await page.locator('#why-now').textContent(), /came together in one event.*Source web.*claimed/s);
  await page.locator('.graph .edge circle').first().click();
  assert.match(await page.locator('#why-now').textContent(), /anna|a-anna|42/);
  await check();
});

test('a wrong merge is previewed, made, and split again', async () => {
  const { page, visit, check } = world;
  await visit(`${anna}/merge`);
  await page.fill('#q', 'clara@');
  await page.locator('#found a:has-text("Clara")').click();
  await page.waitForSelector('#after-title');
  assert.match((await page.locator('.traits').textContent()).replace(/\s+/g, ' '), /city\s*Tver.*instead of/);
  await say(page, 'both buy chess');
  await page.click('button.first');
  await page.waitForSelector('.notice.good');
  assert.match(page.url(), /identity\?done=merged$/);
  assert.match(await page.locator('.graph').textContent(), /clara@example\.com/);
  assert.match(await page.locator('.moves').textContent(), /both buy chess.*Maria/s);

  await page.locator('a:has-text("Undo this merge")').first().click();
  await page.waitForSelector('h1:has-text("Take apart")');
  await say(page, 'two people after all');
  await page.click('button.first');
  await page.waitForSelector('.notice.good');
  assert.doesNotMatch(await page.locator('.graph').textContent(), /clara/);
  const { contacts } = await (await fetch(`${admin}/api/v1/contacts?q=clara`, { headers: { authorization: `Bearer ${process.env.TROPA_ADMIN_TOKEN}` } })).json();
  assert.deepEqual(contacts.map(({ traits }) => traits.name), ['Clara']);
  anna = new URL(page.url()).pathname.replace('/identity', '');
  await check();
});

test('an identifier is taken out by its box', async () => {
  const { page, visit, check } = world;
  await visit('/contacts?q=clara%40');
  await page.locator('#found a').first().click();
  await page.click('.tabs a:not([aria-current])');
  await page.locator('.ticks label:has-text("a-clara")').click();
  await page.click('fieldset + div button');
  await page.waitForSelector('h2:has-text("become a contact of their own")');
  await say(page, 'a shared screen');
  await page.click('button.first');
  await page.waitForSelector('.notice.good');
  assert.equal(await page.locator('.graph .node').count(), 1);
  await check();
});

test('hostile names, ids and traits are text on every page of a contact', async () => {
  const { page, visit, check } = world;
  await visit('/contacts?did=%3Cscript%3E');
  await visit(`/contacts?q=${encodeURIComponent(HOSTILE[1])}`);
  for (let number = 0; number < STRANGERS; number += 1) {
    const path = `/contacts/anonymous_id:x-${number}`;
    await visit(path);
    const text = await page.locator('main').textContent();
    assert.deepEqual(HOSTILE.filter((one) => !text.includes(one)), []);
    const own = await page.locator('.tabs a').last().getAttribute('href');
    await visit(own);
    await visit(own.replace('/identity', `/merge?with=${anna.split('/').pop()}`));
    await visit(own.replace('/identity', '/erase'));
    assert.equal(await page.locator('main script, main iframe, main object, main img, main base').count(), 0);
  }
  await check();
});

const faults = async (page) => {
  await page.evaluate(axe); // not a script of the page: the CSP refuses those
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations.filter(({ impact }) => SERIOUS.includes(impact)).map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 200)).join(' | ')}`);
};

for (const [language, theme, width] of [['en', 'light', 1440], ['ru', 'dark', 390]]) {
  test(`no serious accessibility fault, nothing wider than the screen: ${language}, ${theme}, ${width} wide`, async () => {
    const { page, context } = world;
    await page.setViewportSize({ width, height: 900 });
    await context.addCookies([['tropa_language', language], ['tropa_theme', theme]].map(([name, value]) => ({ name, value, url: admin })));
    const found = {};
    const paths = ['/contacts', '/contacts?q=nobody', anna, `${anna}/identity`, `${anna}/merge`, `${anna}/merge?with=email:clara@example.com`, `${anna}/erase`];
    for (const path of paths) {
      await page.goto(admin + path);
      const serious = await faults(page);
      if (serious.length) found[path] = serious;
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), path);
    }
    assert.deepEqual(found, {});
  });
}

test('masked: neither her email nor her phone is in any page, and nothing is exported', async () => {
  const { page, context, visit, check } = world;
  await context.addCookies([{ name: 'tropa_language', value: 'en', url: admin }]);
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(admin + anna);
  await page.click('.prefs summary');
  await Promise.all([page.waitForNavigation(), page.click('button[name=masked][value="1"]')]);
  for (const path of ['/contacts', anna, `${anna}/identity`, `${anna}/merge?with=email:clara@example.com`, `${anna}/erase`]) {
    await visit(path);
    assert.doesNotMatch(await page.content(), /anna@example|clara@example|79161234567/, path);
  }
  await visit(anna);
  assert.ok(await page.locator('button:has-text("Export")').isDisabled());
  await page.click('.prefs summary');
  await Promise.all([page.waitForNavigation(), page.click('button[name=masked][value="0"]')]);
  await check();
});

test('erased only after the id was typed', async () => {
  const { page, visit, check } = world;
  await visit(`${anna}/erase`);
  await page.fill('#typed', 'c999999');
  await say(page, 'asked for it');
  await page.click('button.danger');
  await page.waitForSelector('.fault');
  await page.fill('#typed', anna.split(':').pop());
  await say(page, 'asked for it');
  await page.click('button.danger');
  await page.waitForSelector('.notice.good');
  assert.doesNotMatch(await page.locator('main').textContent(), /anna@example/);
  await visit('/contacts?q=anna%40example.com');
  await page.waitForSelector('#found .empty');
  await check();
});
