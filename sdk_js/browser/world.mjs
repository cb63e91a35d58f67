// One browser, one site and one collector for a file of tests: the real one that the environment names, else a recorder.

import { after, before } from 'node:test';
import { launch, sleep, until } from './chromium.mjs';
import { createRecorder } from './recorder.mjs';
import { createGate, createSite, html, tag } from './site.mjs';
import { createWitness } from './witness.mjs';

const { TROPA_TEST_COLLECTOR: named } = process.env;

/** `{url, admin, token, key, hiddenKey}` of a real collector; `hiddenKey` is of a source with `cookie_http_only`. */
export const real = named && JSON.parse(named);

export const KEY = real ? real.key : 'wk_test';
export const HIDDEN_KEY = real ? real.hiddenKey : 'wk_test';

const collector = (options) => (real ? createWitness(real) : createRecorder(options));

/**
 * `world.open({data, path, init})` opens `/` of the site in a visitor of its own, with the script tag's `data-*`
 * attributes given; everything that the page throws is in `page.thrown`.
 */
export const createWorld = ({ pages = {}, httpOnly = false, delayMs = 0, args = [], bfcache = false } = {}) => {
  const recorder = collector({ httpOnly });
  const world = { recorder };
  const key = httpOnly ? HIDDEN_KEY : KEY;
  const plain = (url) => html(tag({ key, url: world.gate.url, ...Object.fromEntries(url.searchParams) }), '<h1>Shop</h1>');

  before(async () => {
    world.gate = await createGate(recorder, { delayMs });
    world.site = await createSite({ '/': plain, '/plain': plain, ...pages });
    world.browser = await launch({ args, bfcache });
  });
  after(async () => {
    await world.browser?.close();
    await world.site?.stop();
    await world.gate?.stop();
  });

  world.visitor = async (options) => world.browser.newContext(options);

  world.open = async ({ data = {}, path = '/', context, init, wait = true, address } = {}) => {
    const visitor = context ?? (await world.visitor());
    const page = await visitor.newPage();
    page.thrown = [];
    page.on('pageerror', (error) => page.thrown.push(String(error)));
    if (init) await page.addInitScript(init);
    await page.goto(address ?? `${world.site.origin}${path}?${new URLSearchParams(data)}`);
    if (wait) await page.waitForFunction(() => window.tropa?.user);
    return page;
  };

  /** The first stored event that `matches`, waited for. */
  world.event = (matches, ms) => until(() => recorder.events.find(matches), ms);
  world.named = (name) => recorder.events.filter(({ event }) => event === name);
  return world;
};

export { html, launch, sleep, tag, until };
