// axe-core on every page, in both languages, light and dark, on a desktop and on a phone: no serious fault.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { admin, assert, openConsole, send } from './console.mjs';

const require = createRequire(new URL('../../../sdk_js/package.json', import.meta.url));
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const SERIOUS = ['serious', 'critical'];

const PAGES = ['/', '/live', '/live/event/1', '/schema', '/schema/event?type=track&name=Product+Added', '/quarantine', '/quarantine/1',
  '/quarantine/reason?code=bad_timestamp&path=%24.timestamp&source=shop', '/setup', '/setup/try', '/contacts', '/contacts?q=anna', '/contacts/user_id:42', '/contacts/user_id:42/identity', '/contacts/user_id:42/merge', '/contacts/user_id:42/erase', '/nothing'];
const LOOKS = [
  { language: 'en', theme: 'light', viewport: { width: 1440, height: 900 } },
  { language: 'ru', theme: 'dark', viewport: { width: 390, height: 844 } },
];

let world;

const faults = async (page) => {
  await page.evaluate(axe); // not a script of the page: the CSP refuses those
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations.filter(({ impact }) => SERIOUS.includes(impact)).map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(' | ')}`);
};

before(async () => {
  world = await openConsole();
  const batch = Array.from({ length: 12 }, (_, number) => ({ type: 'track', event: 'Product Added', anonymousId: 'a', messageId: `m-${number}`, properties: { price: number, name: 'Chess' } }));
  await send('/v1/batch', { batch: [...batch, { type: 'track', event: 'x', timestamp: 'yesterday' }, { type: 'identify', userId: '42', traits: { email: 'anna@example.com' } }] });
});
after(() => world.close());

for (const { language, theme, viewport } of LOOKS) {
  test(`every page, ${language}, ${theme}, ${viewport.width} wide`, async () => {
    const { page, context } = world;
    await page.setViewportSize(viewport);
    await context.addCookies([['tropa_language', language], ['tropa_theme', theme]].map(([name, value]) => ({ name, value, url: admin })));
    const found = {};
    for (const path of PAGES) {
      await page.goto(admin + path);
      if (path === '/live') {
        await page.waitForSelector('.feed-row');
        await page.locator('.feed-row').first().click();
        await page.waitForSelector('#detail .json');
      }
      if (path.startsWith('/schema/event')) await page.waitForSelector('#plan');
      if (path === '/') await page.click('.prefs summary');
      for (const summary of await page.locator('main summary').all()) await summary.click();
      const serious = await faults(page);
      if (serious.length) found[path] = serious;
    }
    assert.deepEqual(found, {});
  });
}

test('the sign-in page', async () => {
  const stranger = await (await world.browser.newContext()).newPage();
  await stranger.goto(`${admin}/sign-in`);
  assert.deepEqual(await faults(stranger), []);
});
