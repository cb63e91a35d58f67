// The cookies that the collector sets, and a visitor's id that script never sees.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWorld, sleep, until } from '../../sdk_js/browser/world.mjs';

const world = createWorld();
const hidden = createWorld({ httpOnly: true });

const cookie = async (context, name) => (await context.cookies()).find((one) => one.name === name);

test('the first answer makes the script’s cookie the collector’s, with the same id', async () => {
  const page = await world.open();
  await page.evaluate(() => tropa.track('First'));
  const { anonymousId } = await world.event(({ event }) => event === 'First');
  const set = await until(async () => /\.\d{10}$/.test((await cookie(page.context(), 'tropa_id')).value) && cookie(page.context(), 'tropa_id'));
  assert.equal(set.value.split('.')[0], anonymousId);
  assert.equal(set.sameSite, 'Lax');
  await page.reload();
  await page.evaluate(() => tropa.track('Second'));
  assert.equal((await world.event(({ event }) => event === 'Second')).anonymousId, anonymousId);
  await sleep(300);
  assert.equal((await cookie(page.context(), 'tropa_id')).value, set.value);
});

test('the answer of a page that is gone keeps the next page from sending again', async () => {
  const page = await world.open();
  world.gate.delayMs = 300;
  await page.evaluate(() => tropa.track('Once'));
  await page.goto(`${world.site.origin}/plain`);
  await world.event(({ event }) => event === 'Once');
  assert.ok(await until(() => page.evaluate(() => !Object.keys(localStorage).some((key) => key.includes('_q_')))));
  world.gate.delayMs = 0;
  assert.equal(world.named('Once').length, 1);
});

test('HttpOnly: one visitor over pages, a new one after reset, and script sees neither', async () => {
  const page = await hidden.open({ data: { httpOnly: '' }, wait: true, address: `${hidden.site.origin}/?http-only=1` });
  const track = async (name) => {
    await page.evaluate((event) => tropa.track(event), name);
    return (await hidden.event(({ event }) => event === name)).anonymousId;
  };
  const visitor = async () => (await cookie(page.context(), 'tropa_id'))?.value;
  const first = await track('A');
  const set = await until(visitor);
  await page.reload();
  const second = await track('B');
  assert.deepEqual([second, await page.evaluate(() => tropa.anonymousId())], [first, null]);
  assert.equal((await cookie(page.context(), 'tropa_id')).httpOnly, true);
  assert.ok(!(await page.evaluate(() => document.cookie + JSON.stringify(localStorage))).includes(first));
  await page.evaluate(() => tropa.reset());
  await page.goto(`${hidden.site.origin}/?http-only=1`);
  const third = await track('C');
  assert.notEqual(third, first);
  assert.ok(await until(async () => (await visitor()) !== set));
  assert.equal(await track('D'), third);
});

test('another site: no cookie is sent or set, the event arrives', async () => {
  const page = await world.open({ address: `${world.site.elsewhere}/` });
  await page.evaluate(() => tropa.track('Elsewhere'));
  assert.ok(await world.event(({ event }) => event === 'Elsewhere'));
  assert.equal(world.recorder.batches.at(-1).headers.cookie, undefined);
  await sleep(200);
  assert.match((await cookie(page.context(), 'tropa_id')).value, /\.0$/);
});
