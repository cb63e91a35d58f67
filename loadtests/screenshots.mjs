// Pictures of the console's pages: each × English and Russian × light and dark × desktop and phone, in Debian's Chromium.
//
//   TROPA_ADMIN_TOKEN=… node loadtests/screenshots.mjs --url http://127.0.0.1:8001 --out DIRECTORY [--fresh] [--fold] [--only NAME,NAME] [--languages en,ru] [--themes …] [--sizes …]
//
// A page is a path, and what to do there before the picture is taken. With --fresh the collector is one that has received nothing;
// with --fold a picture ends where the window does.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { launch, sleep } from '../sdk_js/browser/chromium.mjs';

const { values: asked } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:8001' },
    out: { type: 'string', default: 'screenshots' },
    only: { type: 'string', default: '' },
    fresh: { type: 'boolean', default: false },
    fold: { type: 'boolean', default: false },
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
/** Who came with several devices, if anybody did: there is more to see of them. */
const person = (rest, then) => async (page) => {
  const people = page.locator('main tr.link');
  await people.first().waitFor();
  const several = people.filter({ hasText: /[2-9] (devices|устройства|устройств) / });
  const address = await ((await several.count()) ? several : people).first().locator('a').getAttribute('href');
  await page.goto(origin + address + rest);
  await then?.(page);
};
const press = (selector, sight) => async (page) => {
  await Promise.all([page.waitForNavigation(), page.locator(selector).first().click()]);
  await page.waitForSelector(sight);
};
const refused = (then) => async (page) => {
  await first('main tbody a')(page);
  await press('main tbody a', '.notice')(page);
  await then(page);
};
const BUYERS = '/contacts?did=Order+Completed';

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
  contact: { path: BUYERS, then: person('') },
  contact_identity: { path: BUYERS, then: person('/identity') },
  contact_merge: { path: BUYERS, then: person('/merge?q=anna') },
  contact_merge_preview: { path: BUYERS, then: person('/merge', press('#found tr:nth-child(2) a', '#after-title')) },
  contact_split: { path: BUYERS, then: person('/identity', async (page) => {
    await page.locator('.ticks input').first().check();
    await press('fieldset + div button', '#split-actor')(page);
  }) },
  contact_erase: { path: BUYERS, then: person('/erase') },
  preferences: { path: '/', ready: '.u-over', then: (page) => page.locator('.prefs summary').click() },
  sign_in_spent: { path: '/sign-in?once=spent', out: true },
  tester_valid: { path: '/setup/try', then: press('main button.first', '#result') },
  tester_refused: { path: '/setup/try?example=refused', then: press('main button.first', '#result') },
  quarantine_mend: { path: '/quarantine', then: refused((page) => page.locator('main summary').first().click()) },
  replayed: { path: '/quarantine', then: refused(press('main form button', '#before-title')) },
  contacts_none: { path: '/contacts?q=nobody-of-this-name' },
  live_nothing: { path: '/live?text=nothing-says-this' },
  not_found: { path: '/no-such-page' },
};
const FRESH = {
  fresh_overview: { path: '/', ready: '.u-over' },
  fresh_live: { path: '/live' },
  fresh_contacts: { path: '/contacts' },
  fresh_schema: { path: '/schema' },
  fresh_quarantine: { path: '/quarantine' },
  fresh_setup: { path: '/setup', then: (page) => page.locator('#calls-page summary').click() },
};

const listed = (text) => text.split(',').filter(Boolean);
const wanted = Object.entries(asked.fresh ? FRESH : PAGES).filter(([name]) => !asked.only || listed(asked.only).includes(name));

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
    await page.screenshot({ path: join(asked.out, `${name}.${language}.${theme}.${size}.png`), fullPage: !asked.fold && new URL(page.url()).pathname !== '/live' });
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
