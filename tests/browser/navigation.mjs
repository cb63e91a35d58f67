// Page views of single-page applications, the back/forward cache, and queues that change hands.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWorld, sleep, until } from '../../sdk_js/browser/world.mjs';

const world = createWorld({ bfcache: true });

const views = (label) => world.recorder.events.filter(({ type, context }) => type === 'page' && context.page.url.includes(label));
const paths = (label) => views(label).map(({ context }) => context.page.url.replace(/^https?:\/\/[^/]+/, '').replace(/[?&]label=\w+|[?&](auto|url)=[^&#]*/g, ''));

const modern = () => undefined;
const older = () => Object.defineProperty(window, 'navigation', { value: undefined });

for (const [which, init] of Object.entries({ 'the Navigation API': modern, 'wrapped pushState': older }))
  test(`a view for every new path or query, none for replace and hash: ${which}`, async () => {
    const label = init === modern ? 'nav' : 'push';
    const page = await world.open({ init, data: { auto: 'pages', label } });
    await page.evaluate(async (mark) => {
      const wait = () => new Promise((resolve) => setTimeout(resolve, 40));
      for (const [verb, to] of [['push', '/cart'], ['replace', '/cart2'], ['push', '/cart3'], ['push', '/cart3#top'], ['push', '/cart3?tab=2']]) {
        const [path, hash = ''] = to.split('#');
        history[`${verb}State`]({}, '', `${path}${path.includes('?') ? '&' : '?'}label=${mark}${hash && `#${hash}`}`);
        document.title = to;
        await wait();
      }
      history.back();
      await new Promise((resolve) => setTimeout(resolve, 150));
      tropa.flush();
    }, label);
    await until(() => views(label).length >= 5);
    await sleep(300);
    assert.deepEqual(paths(label), ['/', '/cart', '/cart3', '/cart3?tab=2', '/cart3#top']);
    const [first, second] = views(label);
    assert.equal(second.context.page.title, '/cart');
    assert.equal(second.context.page.referrer, first.context.page.url);
    assert.deepEqual(page.thrown, []);
  });

test('hash routers, on request', async () => {
  const page = await world.open({ data: { auto: 'pages hash', label: 'hash' } });
  await page.evaluate(async () => {
    location.hash = '#/cart';
    await new Promise((resolve) => setTimeout(resolve, 50));
    tropa.flush();
  });
  await until(() => views('hash').length >= 2);
  assert.equal(views('hash').length, 2);
});

test('back from the cache, with a request in flight: one more view, nothing lost, nothing twice', async () => {
  const page = await world.open({ data: { auto: 'pages', label: 'bf' } });
  await world.event(({ type, context }) => type === 'page' && context.page.url.includes('label=bf'));
  await page.evaluate(() => { window.alive = true; });
  world.gate.delayMs = 700;
  await page.evaluate(() => { tropa.track('Into the cache'); tropa.flush(); });
  await sleep(50);
  await page.goto(`${world.site.origin}/plain`);
  await sleep(300);
  // Not goBack(): it waits for a load event, and a page from the cache has none.
  await page.evaluate(() => { setTimeout(() => history.back()); });
  assert.ok(await until(() => page.evaluate(() => window.alive).catch(() => undefined)), 'the very page is back');
  world.gate.delayMs = 0;
  await page.evaluate(() => tropa.track('Back'));
  assert.ok(await world.event(({ event }) => event === 'Back'));
  await sleep(2500);
  const stored = world.recorder.stored().filter(({ event }) => event === 'Into the cache');
  assert.equal(stored.length, 1);
  assert.equal(views('bf').length, 2);
  assert.ok(await until(() => page.evaluate(() => !Object.keys(localStorage).some((key) => key.includes('_q_')))));
});

test('a page that was hidden for long and whose queue was adopted sends nothing again', async () => {
  const context = await world.visitor();
  const hidden = await world.open({ context });
  await world.gate.stop();
  await hidden.evaluate(() => {
    window.setHidden = (value) => {
      Object.defineProperty(document, 'hidden', { value, configurable: true });
      dispatchEvent(new Event('visibilitychange'));
    };
    tropa.track('Adopted');
  });
  await sleep(400);
  await hidden.evaluate(() => window.setHidden(true));
  const heir = await world.open({ context });
  await sleep(2600);
  await world.gate.start();
  assert.ok(await world.event(({ event }) => event === 'Adopted', 15_000));
  await hidden.evaluate(() => { window.setHidden(false); tropa.track('Awake'); });
  assert.ok(await world.event(({ event }) => event === 'Awake', 15_000));
  await sleep(500);
  assert.equal(world.recorder.stored().filter(({ event }) => event === 'Adopted').length, 1);
  await heir.close();
});

test('events made while prerendering wait for the activation', async () => {
  const init = () => {
    let prerendering = true;
    Object.defineProperty(document, 'prerendering', { get: () => prerendering, configurable: true });
    // As Chromium's own does, it does not bubble.
    window.activate = () => { prerendering = false; document.dispatchEvent(new Event('prerenderingchange')); };
  };
  const page = await world.open({ init, data: { auto: 'pages', label: 'pre' } });
  await sleep(500);
  assert.equal(views('label=pre').length, 0);
  await page.evaluate(() => window.activate());
  await until(() => views('label=pre').length);
  assert.equal(views('label=pre').length, 1);
});
