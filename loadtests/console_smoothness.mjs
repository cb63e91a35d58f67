// How smooth the live view is while events arrive: frames, long tasks and rows of the page, in Debian's Chromium; JSON on stdout.
//
//   TROPA_ADMIN_TOKEN=… node loadtests/console_smoothness.mjs --url http://127.0.0.1:8001 --seconds 12

import { parseArgs } from 'node:util';
import { launch } from '../sdk_js/browser/chromium.mjs';

const { values: asked } = parseArgs({ options: { url: { type: 'string' }, seconds: { type: 'string', default: '12' } } });

/** In the page: the milliseconds between frames, those of each long task, the most rows, and how many messages came. */
const measure = (ms) => new Promise((resolve) => {
  const found = { frames: [], longTasks: [], rows: 0, changes: 0 };
  const feed = document.getElementById('feed');
  const tasks = new PerformanceObserver((list) => found.longTasks.push(...list.getEntries().map(({ duration }) => duration)));
  tasks.observe({ type: 'longtask' });
  const changes = new MutationObserver(() => { found.changes += 1; });
  changes.observe(feed, { childList: true });
  let last = performance.now();
  const end = last + ms;
  const frame = (now) => {
    found.frames.push(now - last);
    found.rows = Math.max(found.rows, feed.childElementCount);
    last = now;
    if (now < end) { requestAnimationFrame(frame); return; }
    tasks.disconnect();
    changes.disconnect();
    resolve(found);
  };
  requestAnimationFrame((now) => { last = now; requestAnimationFrame(frame); });
});

const browser = await launch();
const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
await page.goto(`${asked.url}/sign-in`);
await page.fill('#token', process.env.TROPA_ADMIN_TOKEN);
await Promise.all([page.waitForURL(`${asked.url}/`), page.click('button.first')]);
await page.goto(`${asked.url}/live`);
await page.waitForSelector('.feed-row');
console.log(JSON.stringify(await page.evaluate(measure, Number(asked.seconds) * 1_000)));
await browser.close();
