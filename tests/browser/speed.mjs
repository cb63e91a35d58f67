// What the SDK costs a slow page: Chromium at a quarter of its speed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWorld, html, KEY, sleep } from '../../sdk_js/browser/world.mjs';

const world = createWorld({ pages: { '/bare': () => html('', '<h1>Shop</h1>') }, delayMs: 20 });
const CALLS = 60;

const measure = async ([url, key, calls]) => {
  const long = [];
  new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => long.push(duration))).observe({ type: 'longtask' });
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  await pause(500);
  long.length = 0;
  const script = Object.assign(document.createElement('script'), { src: '/t.js' });
  Object.assign(script.dataset, { key, url, auto: 'pages forms links' });
  await new Promise((resolve) => { script.onload = resolve; document.head.append(script); });
  await pause(1500);
  const times = [];
  for (let i = 0; i < calls; i++) {
    const started = performance.now();
    tropa.track('Product Viewed', { product_id: `sku-${i}`, name: 'Чайник', price: 990, quantity: 1, currency: 'RUB' });
    times.push(performance.now() - started);
    await pause(15);
  }
  await pause(500);
  times.sort((a, b) => a - b);
  return { long, median: times[calls >> 1], p95: times[Math.floor(calls * 0.95)], max: times.at(-1) };
};

test('at 4x CPU throttle: no long task, track() under a millisecond', async () => {
  const page = await world.open({ path: '/bare', wait: false });
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: 4 });
  await sleep(200);
  const { long, ...track } = await page.evaluate(measure, [world.gate.url, KEY, CALLS]);
  const blocking = long.reduce((sum, duration) => sum + duration - 50, 0);
  console.log(`track() at 4x throttle: median ${track.median.toFixed(2)} ms, p95 ${track.p95.toFixed(2)} ms, max ${track.max.toFixed(2)} ms; long tasks ${long.length}, blocking ${blocking.toFixed(0)} ms`);
  assert.deepEqual(long, []);
  assert.ok(track.median < 1, `median ${track.median} ms`);
});
