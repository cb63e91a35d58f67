// The developer's story: paste the snippet, see the first event, find why one was refused, mend it, replay it.

import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { admin, assert, openConsole, send, until } from './console.mjs';

let world;
let site;
let shop;

before(async () => {
  world = await openConsole();
  site = createServer((_, response) => response.end('<!doctype html><title>Shop</title>'));
  await new Promise((resolve) => { site.listen(0, '127.0.0.1', resolve); });
});
after(async () => {
  await world.close();
  site.close();
  site.closeAllConnections();
});

test('the snippet is pasted, and the checklist turns green by itself', async () => {
  const { page, visit, check } = world;
  await visit('/setup');
  assert.equal(await page.locator('#checklist .done').count(), 0);
  await page.locator('#calls-identify summary').click();
  const snippet = await page.locator('#snippet-1').textContent();
  site.removeAllListeners('request');
  site.on('request', (_, response) => response.setHeader('content-type', 'text/html').end(`<!doctype html><title>Shop</title>${snippet}<h1>Shop</h1>`));
  shop = await (await world.browser.newContext()).newPage();
  await shop.goto(`http://127.0.0.1:${site.address().port}/`);
  await page.waitForSelector('#checklist li:nth-child(1).done', { timeout: 15_000 });
  assert.ok(await page.locator('#calls-identify').evaluate((fold) => fold.open), 'what was unfolded stays so');
  await shop.evaluate(() => window.tropa.identify('42', { email: 'anna@example.com' }));
  await page.waitForSelector('#checklist li:nth-child(2).done', { timeout: 15_000 });
  await send('/v1/track', { userId: '42', event: 'Order Completed', properties: { order_id: 'o-1', total: 39.95 } });
  await page.waitForSelector('#checklist li:nth-child(3).done', { timeout: 15_000 });
  await check();
});

test('events are seen as they arrive, a refused one in red with its reason', async () => {
  const { page, visit, check } = world;
  await visit('/live');
  await page.waitForSelector('.feed-row');
  const rows = page.locator('.feed > li');
  const held = await rows.count();
  await shop.evaluate(() => window.tropa.track('Product Added', { product_id: 'sku-1', name: 'Chess set' }));
  await page.waitForSelector('.feed-row:has-text("Chess set")');
  await send('/v1/track', { userId: '42', event: 'Order Paid', messageId: 'paid-1', timestamp: 'yesterday' });
  const red = page.locator('.feed > li.bad').first();
  await red.waitFor();
  assert.match(await red.textContent(), /Not a time.*"yesterday" is not an ISO 8601 time.*\$\.timestamp/s);
  assert.equal(await rows.count(), held + 2);

  await page.fill('#text', 'chess');
  await until(async () => (await rows.count()) === 1);
  assert.match(await rows.first().textContent(), /Product Added/);
  await page.fill('#text', '');
  await until(async () => (await rows.count()) === held + 2);

  await page.click('#pause');
  await send('/v1/track', { userId: '42', event: 'While Paused' });
  await page.waitForSelector('#pause:has-text("(1)")');
  assert.equal(await page.locator('.feed-row:has-text("While Paused")').count(), 0);
  await page.click('#pause');
  await page.waitForSelector('.feed-row:has-text("While Paused")');

  await page.locator('.feed-row:has-text("Chess set")').click();
  await page.waitForSelector('#detail .stages');
  assert.match(await page.locator('#detail').textContent(), /Received.*Valid.*Enriched.*Identity.*anna@example\.com.*Stored/s);
  await check();
});

test('why it was refused is shown at its place; mended, it is replayed', async () => {
  const { page, visit, check } = world;
  await visit('/live?outcome=quarantined');
  await page.locator('.feed > li.bad .feed-row').first().click();
  await page.waitForSelector('#detail .pointed');
  assert.match(await page.locator('#detail .pointed').textContent(), /"timestamp": "yesterday"/);
  await page.locator('#detail summary').first().click();
  const text = await page.inputValue('#original');
  await page.fill('#original', text.replace('yesterday', '2026-11-21T20:31:35Z'));
  await Promise.all([page.waitForURL(/\/quarantine\/\d+$/), page.click('button:has-text("Replay the mended event")')]);
  assert.match(await page.locator('[role=status]').textContent(), /stored now/);
  assert.match(await page.locator('main').textContent(), /Before.*yesterday.*After.*2026-11-21T20:31:35/s);
  await page.locator('a:has-text("The event through the stages")').click();
  assert.match(await page.locator('h2').first().textContent(), /Order Paid/);
  await visit('/quarantine');
  assert.match(await page.locator('main').textContent(), /Nothing was refused/);
  await check();
});

test('the whole of it works with the keyboard alone', async () => {
  const { page, visit, check } = world;
  await visit('/live');
  await page.waitForSelector('.feed-row');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  await page.locator('.feed-row').nth(1).focus();
  await page.keyboard.press('Enter');
  await page.waitForSelector('#detail .stages');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'detail');
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-current')), 'true');
  await check();
});

test('language, colours and masks are a click away and stay', async () => {
  const { page, visit, check } = world;
  await visit('/');
  await page.click('.prefs summary');
  await Promise.all([page.waitForURL(`${admin}/`), page.click('button:has-text("Русский")')]);
  assert.equal(await page.locator('h1').textContent(), 'Обзор');
  await page.click('.prefs summary');
  await Promise.all([page.waitForURL(`${admin}/`), page.click('button:has-text("Тёмные")')]);
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), 'dark');
  await page.click('.prefs summary');
  await Promise.all([page.waitForURL(`${admin}/`), page.click('button:has-text("Скрыты")')]);
  await visit('/live?type=identify');
  await page.waitForSelector('.feed-row');
  assert.doesNotMatch(await page.locator('main').textContent(), /anna@example/);
  await page.click('.prefs summary');
  await Promise.all([page.waitForURL(/sign-in/), page.click('button:has-text("Выйти")')]);
  await page.goto(`${admin}/live`);
  assert.match(page.url(), /sign-in\?next=/);
  await check();
});
