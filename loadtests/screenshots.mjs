// Pictures of the console's pages: each × English and Russian × light and dark × desktop and phone, in Debian's Chromium.
//
//   TROPA_ADMIN_TOKEN=… node loadtests/screenshots.mjs --url http://127.0.0.1:8001 --out DIRECTORY [--only NAME,NAME] [--languages en,ru] [--themes …] [--sizes …]
//
// A page is a path, and what to do there before the picture is taken.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { launch, sleep } from '../sdk_js/browser/chromium.mjs';

const { values: asked } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:8001' },
    out: { type: 'string', default: 'screenshots' },
    only: { type: 'string', default: '' },
    languages: { type: 'string', default: 'en,ru' },
    themes: { type: 'string', default: 'light,dark' },
    sizes: { type: 'string', default: 'desktop,phone' },
  },
});
const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
const origin = new URL(asked.url).origin;

const choose = async (page) => {
  await page.waitForSelector('.feed-row');
  await page.locator('.feed > li:not(.bad) .feed-row').first().click();
  await page.waitForSelector('.stages');
};

const first = (selector, sight) => async (page) => {
  await Promise.all([page.waitForNavigation(), page.locator(selector).first().click()]);
  if (sight) await page.waitForSelector(sight);
};
const person = (rest) => async (page) => {
  await page.locator('main a[href^="/contacts/"]').first().waitFor();
  const address = await page.locator('main a[href^="/contacts/"]').first().getAttribute('href');
  await page.goto(origin + address + rest);
};

const PAGES = {
  sign_in: { path: '/sign-in', out: true },
  overview: { path: '/', ready: '.u-over' },
  live: { path: '/live', ready: '.feed-row' },
  live_event: { path: '/live', then: choose },
  setup: { path: '/setup' },
  tester: { path: '/setup/try' },
  schema: { path: '/schema' },
  schema_event: { path: '/schema', then: first('main tbody a', '#plan') },
  quarantine: { path: '/quarantine' },
  quarantine_event: { path: '/quarantine', then: first('main tbody a') },
  contacts: { path: '/contacts?q=a' },
  contact: { path: '/contacts?did=Order+Completed', then: person('') },
  contact_identity: { path: '/contacts?did=Order+Completed', then: person('/identity') },
  contact_merge: { path: '/contacts?did=Order+Completed', then: person('/merge') },
  contact_erase: { path: '/contacts?did=Order+Completed', then: person('/erase') },
  preferences: { path: '/', ready: '.u-over', then: (page) => page.locator('.prefs summary').click() },
};

const listed = (text) => text.split(',').filter(Boolean);
const wanted = Object.entries(PAGES).filter(([name]) => !asked.only || listed(asked.only).includes(name));

const browser = await launch();
const signedIn = await browser.newContext();
const door = await signedIn.newPage();
await door.goto(`${origin}/sign-in`);
await door.fill('#token', process.env.TROPA_ADMIN_TOKEN);
await Promise.all([door.waitForURL(`${origin}/`), door.click('button.first')]);
const cookies = (await signedIn.cookies()).filter(({ name }) => name === 'tropa_session');
await mkdir(asked.out, { recursive: true });

let taken = 0;
const shoot = async (language, theme, size) => {
  const options = { viewport: SIZES[size], deviceScaleFactor: size === 'phone' ? 2 : 1, timezoneId: 'Europe/Moscow', reducedMotion: 'reduce' };
  const preferences = [['tropa_language', language], ['tropa_theme', theme]].map(([name, value]) => ({ name, value, url: origin }));
  const inside = await browser.newContext(options);
  await inside.addCookies([...cookies, ...preferences]);
  const outside = await browser.newContext(options);
  await outside.addCookies(preferences);
  for (const [name, { path, ready, then, out }] of wanted) {
    const page = await (out ? outside : inside).newPage();
    await page.goto(origin + path);
    if (ready) await page.waitForSelector(ready, { timeout: 10_000 }).catch(() => console.error(`${name}: nothing at ${ready}`));
    await then?.(page);
    await sleep(250);
    await page.screenshot({ path: join(asked.out, `${name}.${language}.${theme}.${size}.png`), fullPage: !page.url().includes('/live') });
    await page.close();
    taken += 1;
  }
  await Promise.all([inside.close(), outside.close()]);
};

for (const language of listed(asked.languages)) {
  for (const theme of listed(asked.themes)) {
    for (const size of listed(asked.sizes)) await shoot(language, theme, size);
  }
}
await browser.close();
console.log(`${taken} pictures in ${asked.out}`);
