// Consent in a real browser: what is written, and what leaves.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWorld, sleep, until } from '../../sdk_js/browser/world.mjs';

const world = createWorld();

const traces = (page) => page.evaluate(() => ({ cookie: document.cookie, storage: { ...localStorage } }));

test('pending: no cookie, no storage write, no request; granted: everything arrives', async () => {
  const writes = () => {
    window.writes = 0;
    const { set } = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie');
    Object.defineProperty(document, 'cookie', { get: () => '', set(value) { window.writes++; set.call(document, value); }, configurable: true });
    const { setItem } = Storage.prototype;
    Storage.prototype.setItem = function (...args) { window.writes++; return setItem.apply(this, args); };
  };
  const page = await world.open({ data: { consent: 'pending', auto: 'pages' }, init: writes });
  const before = world.gate.requests.length;
  await page.evaluate(() => { tropa.track('Pending'); tropa.identify('42'); });
  await sleep(600);
  assert.deepEqual(await page.evaluate(() => [window.writes, localStorage.length]), [0, 0]);
  assert.deepEqual((await page.context().cookies()), []);
  assert.equal(world.gate.requests.length, before);
  await page.evaluate(() => { delete document.cookie; tropa.consent('granted'); });
  assert.ok(await world.event(({ event }) => event === 'Pending'));
  assert.ok(await world.event(({ type, userId }) => type === 'identify' && userId === '42'));
  assert.deepEqual(page.thrown, []);
});

test('pending, then the page is left: still nothing', async () => {
  const page = await world.open({ data: { consent: 'pending' } });
  const before = world.gate.requests.length;
  await page.evaluate(() => tropa.track('Never'));
  await page.goto(`${world.site.elsewhere}/plain`);
  await sleep(200);
  assert.equal(world.gate.requests.length, before);
});

test('denied: a request in flight is aborted, and what its answer set is deleted again', async () => {
  const page = await world.open();
  world.gate.delayMs = 400;
  await page.evaluate(() => { tropa.track('In flight'); tropa.flush(); });
  await sleep(100);
  await page.evaluate(() => tropa.consent('denied'));
  await sleep(5500);
  world.gate.delayMs = 0;
  await until(async () => (await traces(page)).cookie === '');
  assert.deepEqual(await traces(page), { cookie: '', storage: { tropa_consent: '"denied"' } });
  await page.reload();
  await page.evaluate(() => tropa.track('After'));
  await sleep(500);
  assert.deepEqual(world.named('After'), []);
});

test('denied in one tab is denied in the other', async () => {
  const context = await world.visitor();
  const [one, two] = [await world.open({ context }), await world.open({ context })];
  await one.evaluate(() => tropa.consent('denied'));
  await until(() => two.evaluate(() => tropa.anonymousId() === null));
  await two.evaluate(() => tropa.track('Other tab'));
  await sleep(500);
  assert.deepEqual(world.named('Other tab'), []);
});

test('GPC: nothing for sale or advertising leaves, and the signal travels', async () => {
  const init = () => Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true });
  const page = await world.open({ init });
  await page.evaluate(() => {
    tropa.track('Sold', {}, { purposes: ['sale', 'advertising'] });
    tropa.track('Measured', {}, { purposes: ['analytics', 'advertising'] });
  });
  const measured = await world.event(({ event }) => event === 'Measured');
  assert.deepEqual(measured.context.consent, { state: 'granted', purposes: ['analytics'], gpc: true });
  assert.deepEqual(world.named('Sold'), []);
});

test('cookieless: no id, no storage, no cookie in the request', async () => {
  const context = await world.visitor();
  await context.addCookies([{ name: 'session', value: 'secret', url: world.site.origin }]);
  const page = await world.open({ data: { consent: 'cookieless' }, context });
  await page.evaluate(() => tropa.track('Cookieless'));
  const event = await world.event(({ event: name }) => name === 'Cookieless');
  assert.equal(event.anonymousId, undefined);
  assert.equal(world.recorder.batches.at(-1).headers.cookie, undefined);
  assert.deepEqual(await traces(page), { cookie: 'session=secret', storage: {} });
});
