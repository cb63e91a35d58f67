import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ACCEPTED, blockedStore, fullStore, openPage, pass, tick, type Store } from './page';

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-21T20:31:35.253Z'), toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  vi.spyOn(Math, 'random').mockReturnValue(0);
});
afterEach(() => vi.useRealTimers());

const track = (page: Awaited<ReturnType<typeof openPage>>, n: number, from = 0) => {
  for (let i = from; i < from + n; i++) page.tropa.track(`e${i}`);
};

test('an event leaves after 250 ms in the shape of the wire contract', async () => {
  const page = await openPage({ answer: ACCEPTED });
  const id = page.tropa.track('Product Viewed', { price: 990 });
  await pass(249);
  expect(page.sent).toHaveLength(0);
  await pass(1);
  const { body, init } = page.sent[0];
  expect(body).toMatchObject({ writeKey: 'wk_test', sentAt: '2026-11-21T20:31:35.503Z', dropped: 0 });
  expect(body.batchId).toMatch(/^[0-9a-f]{8,32}$/);
  expect(body.batch).toMatchObject([
    {
      type: 'track', event: 'Product Viewed', messageId: id, timestamp: '2026-11-21T20:31:35.253Z', properties: { price: 990 },
      context: { page: { path: '/catalogue', title: 'Catalogue', url: 'https://www.shop.example/catalogue' } },
    },
  ]);
  expect(init).toMatchObject({ method: 'POST', keepalive: true, credentials: 'include' });
  expect(init.headers).toBeUndefined();
});

test('it is in storage before the call returns and gone after the 200', async () => {
  const page = await openPage({ answer: ACCEPTED });
  page.tropa.track('a');
  expect(page.stored()[0][1].items[0]).toContain('"event":"a"');
  await pass(250);
  expect(page.stored()).toEqual([]);
});

test('twenty events leave at once, fifty at most in a batch, one request at a time', async () => {
  const page = await openPage();
  track(page, 19);
  expect(page.sent).toHaveLength(0);
  track(page, 1, 19);
  expect(page.sent[0].body.batch).toHaveLength(20);
  track(page, 70, 20);
  await pass(1000);
  expect(page.sent).toHaveLength(1);
  await page.sent[0].settle(ACCEPTED);
  expect(page.sent[1].body.batch).toHaveLength(50);
  await page.sent[1].settle(ACCEPTED);
  expect(page.sent[2].body.batch).toHaveLength(20);
  expect(new Set(page.sent.map(({ body }) => body.batchId)).size).toBe(3);
});

test('a batch stays under 48 KB', async () => {
  const page = await openPage({ answer: ACCEPTED });
  for (let i = 0; i < 15; i++) page.tropa.track('big', { text: 'ы'.repeat(5000) });
  page.tropa.flush();
  await pass(1000);
  expect(page.events()).toHaveLength(15);
  for (const { init } of page.sent) expect(Buffer.byteLength(init.body as string)).toBeLessThan(49_000);
});

test.each([
  ['a network error', new TypeError('failed'), 500],
  ['408', { status: 408, reply: {} }, 500],
  ['425', { status: 425, reply: {} }, 500],
  ['429', { status: 429, reply: {} }, 500],
  ['500 without JSON', { status: 500 }, 500],
  ['a 200 that is not the collector’s', { status: 200 }, 500],
  ['503 and Retry-After', { status: 503, reply: {}, retryAfter: '7' }, 7000],
  ['503 and a date as Retry-After', { status: 503, reply: {}, retryAfter: 'Wed, 21 Oct 2026 07:28:00 GMT' }, 500],
])('%s is retried with the same ids, times and batch id', async (_, answer, wait) => {
  vi.spyOn(Math, 'random').mockReturnValue(1);
  const page = await openPage();
  page.tropa.track('a');
  await pass(250);
  await page.sent[0].settle(answer as any);
  await pass(wait - 1);
  expect(page.sent).toHaveLength(1);
  expect(page.stored()[0][1].items).toHaveLength(1);
  await pass(1);
  const [first, second] = page.sent.map(({ body }) => body);
  expect(second).toMatchObject({ batchId: first.batchId, batch: first.batch });
  expect(second.sentAt > first.sentAt).toBe(true);
});

test('the wait doubles up to a minute, and online or visible reset it', async () => {
  const page = await openPage({ answer: new TypeError('down') });
  page.tropa.track('a');
  const waits = [];
  for (let last = 0; waits.length < 9; ) {
    await pass(250);
    if (page.sent.length > last) waits.push(Date.now()), (last = page.sent.length);
  }
  const gaps = waits.slice(1).map((at, i) => Math.round((at - waits[i]) / 1000));
  expect(gaps).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  page.answer = ACCEPTED;
  page.dispatch('online');
  await tick();
  expect(page.stored()).toEqual([]);
});

test('an answer that does not come is given up after 15 s', async () => {
  const page = await openPage();
  page.tropa.track('a');
  await pass(250);
  await pass(14_999);
  expect(page.sent).toHaveLength(1);
  await pass(1 + 1000);
  expect(page.sent).toHaveLength(2);
});

test('413 halves until a single event is refused', async () => {
  const page = await openPage();
  const drops: unknown[] = [];
  page.tropa.on('drop', (event, reason) => drops.push([event.event, reason]));
  track(page, 3);
  await pass(250);
  const tooLarge = { status: 413, reply: { success: false, code: 'payload_too_large', message: 'too large' } };
  for (let i = 0; i < page.sent.length; i++) {
    const hasE1 = page.sent[i].body.batch.some(({ event }) => event === 'e1');
    await page.sent[i].settle(hasE1 ? tooLarge : ACCEPTED);
  }
  expect(page.sent.map(({ body }) => body.batch.map(({ event }) => event).join())).toEqual(['e0,e1,e2', 'e0', 'e1,e2', 'e1', 'e2']);
  expect(drops).toMatchObject([['e1', { code: 'payload_too_large', status: 413 }]]);
});

test.each([401, 403, 404, 400])('%s is final and said through drop', async (status) => {
  const page = await openPage({ answer: { status, reply: { success: false, code: 'no', message: 'why' } } });
  const drops: unknown[] = [];
  page.tropa.on('drop', (event, reason) => drops.push([event.event, reason.code, reason.status]));
  track(page, 2);
  await pass(250);
  expect(drops).toEqual([['e0', 'no', status], ['e1', 'no', status]]);
  expect(page.stored()).toEqual([]);
});

test('an event that the reply refuses is dropped alone, whatever gave way before it meanwhile', async () => {
  const page = await openPage();
  const drops: string[] = [];
  page.tropa.on('drop', (event, reason) => drops.push(`${event.event} ${reason.code}`));
  track(page, 3);
  page.tropa.flush();
  track(page, 998, 3);
  const { messageId } = page.sent[0].body.batch[1];
  await page.sent[0].settle({ status: 200, reply: { success: true, errors: [{ index: 1, messageId, code: 'missing_field' }] } });
  expect(drops).toEqual(['e0 full', 'e1 missing_field']);
});

test('Retry-After holds for a page that goes on making events', async () => {
  const page = await openPage();
  track(page, 1);
  await pass(250);
  await page.sent[0].settle({ status: 503, reply: {}, retryAfter: '7' });
  track(page, 45, 1);
  await pass(6_999);
  expect(page.sent).toHaveLength(1);
  await pass(1);
  expect(page.sent).toHaveLength(2);
});

test.each([204, 202, 304])('only a 200 is an acknowledgement: %s is retried', async (status) => {
  const page = await openPage({ answer: { status, reply: {} } });
  track(page, 1);
  await pass(250);
  expect(page.stored()[0][1].items).toHaveLength(1);
  page.answer = ACCEPTED;
  await pass(1000);
  expect([page.sent.length, page.stored()]).toEqual([2, []]);
});

test('hidden: everything untried goes out at once, beside what is in flight', async () => {
  const page = await openPage();
  track(page, 1);
  await pass(250);
  track(page, 2, 1);
  page.hide();
  expect(page.names()).toEqual(['e0', 'e1', 'e2']);
  expect(page.sent.every(({ init }) => init.keepalive)).toBe(true);
  page.dispatch('pagehide');
  expect(page.sent).toHaveLength(2);
  expect(page.stored()[0].slice(1).flatMap((batch: any) => batch.items)).toHaveLength(3);
});

test('over the keepalive budget beacons go out, halved until the browser takes them', async () => {
  const page = await openPage({ beacon: (body) => body.length < 20_000 });
  for (let i = 0; i < 8; i++) page.tropa.track(`big${i}`, { text: 'x'.repeat(5000) });
  page.tropa.flush();
  expect(page.sent[0].body.batch).toHaveLength(8);
  for (let i = 0; i < 6; i++) page.tropa.track(`more${i}`, { text: 'x'.repeat(5000) });
  page.hide();
  const inBeacons = page.beacons.flatMap((body) => JSON.parse(body).batch.map((event: any) => event.event));
  const names = [...inBeacons, ...page.names().slice(8)];
  expect(names.sort()).toEqual(['more0', 'more1', 'more2', 'more3', 'more4', 'more5']);
  expect(page.beacons.length).toBeGreaterThan(1);
  expect(page.stored()[0].slice(1).flatMap((batch: any) => batch.items)).toHaveLength(14);
});

test('events that no beacon takes stay for later', async () => {
  const page = await openPage({ beacon: () => false });
  for (let i = 0; i < 8; i++) page.tropa.track('big', { text: 'x'.repeat(5000) });
  page.tropa.flush();
  for (let i = 0; i < 6; i++) page.tropa.track(`later${i}`, { text: 'x'.repeat(5000) });
  page.hide();
  expect(page.beacons).toEqual([]);
  page.answer = ACCEPTED;
  for (const request of page.sent) await request.settle(ACCEPTED);
  page.show();
  await pass(1000);
  expect(page.names().slice(8)).toEqual([0, 1, 2, 3, 4, 5].map((i) => `later${i}`));
  expect(page.stored()).toEqual([]);
});

test('an event too large for a page that leaves holds back no other', async () => {
  const page = await openPage({ beacon: () => false });
  page.tropa.track('small');
  page.tropa.track('huge', { text: 'x'.repeat(70_000) });
  page.tropa.track('behind');
  page.hide();
  expect(page.names()).toEqual(['small', 'behind']);
  expect(page.stored()[0].slice(1).flatMap((batch: any) => batch.items)).toHaveLength(3);
});

test('the lease ends with pagehide too, where the page is not told that it is hidden', async () => {
  const page = await openPage();
  track(page, 1);
  page.dispatch('pagehide');
  expect(page.stored()[0][0]).toBe(Date.now() + 2000);
});

test('the next page adopts what a page left, two seconds after it hid', async () => {
  const storage: Store = {};
  const first = await openPage({ storage, answer: new TypeError('down') });
  track(first, 2);
  await first.close();
  const second = await openPage({ storage, answer: ACCEPTED });
  await pass(1000);
  expect(second.sent).toHaveLength(0);
  await pass(2000);
  expect(second.names()).toEqual(['e0', 'e1']);
  expect(second.stored()).toEqual([]);
});

test('what the acknowledgement cookie names is not sent again', async () => {
  const storage: Store = {};
  const cookies: Store = {};
  const first = await openPage({ storage, cookies });
  track(first, 2);
  await first.close();
  cookies.tropa_ack = `0123456789ab.${first.sent[0].body.batchId}`;
  const second = await openPage({ storage, cookies, answer: ACCEPTED });
  await pass(5000);
  expect(second.sent).toHaveLength(0);
  expect(second.stored()).toEqual([]);
});

test('events of this page never join a batch whose id may be acknowledged', async () => {
  const storage: Store = {};
  const first = await openPage({ storage });
  track(first, 1);
  await first.close();
  await pass(3000);
  const second = await openPage({ storage });
  second.tropa.track('mine');
  await pass(250);
  await second.sent[0].settle(ACCEPTED);
  expect(second.sent.map(({ body }) => body.batch.map(({ event }) => event))).toEqual([['e0'], ['mine']]);
});

test('a live page keeps its queue: its lease is renewed while events wait', async () => {
  const storage: Store = {};
  const first = await openPage({ storage, answer: new TypeError('down') });
  track(first, 1);
  await pass(30_000);
  const keys = Object.keys(storage).filter((key) => key.includes('_q_'));
  await openPage({ storage, answer: new TypeError('down') });
  await pass(30_000);
  expect(Object.keys(storage).filter((key) => key.includes('_q_'))).toEqual(keys);
});

test('a hidden page whose lease was adopted forgets those events when it comes back', async () => {
  const storage: Store = {};
  const first = await openPage({ storage, answer: new TypeError('down') });
  track(first, 1);
  first.hide();
  await pass(3000);
  // What another page does when it adopts.
  for (const key of Object.keys(storage)) if (key.includes('_q_')) delete storage[key];
  first.sent.length = 0;
  first.answer = ACCEPTED;
  first.show();
  first.tropa.track('new');
  await pass(250);
  expect(first.names()).toEqual(['new']);
});

test.each([
  ['back', '2026-11-18T00:00:00Z'],
  ['ahead', '2026-11-22T20:00:00Z'],
])('a clock that jumps %s loses nothing', async (_, to) => {
  const storage: Store = {};
  const first = await openPage({ storage, answer: new TypeError('down') });
  track(first, 1);
  first.hide();
  vi.setSystemTime(new Date(to));
  first.tropa.track('after');
  await first.close();
  const second = await openPage({ storage, answer: ACCEPTED });
  await pass(15_000);
  expect(second.names().sort()).toEqual(['after', 'e0']);
});

test('a thousand events at most: the oldest give way, and the next batch counts them', async () => {
  const page = await openPage({ answer: new TypeError('down') });
  const drops: string[] = [];
  page.tropa.on('drop', (event, reason) => drops.push(`${event.event} ${reason.code}`));
  track(page, 1003);
  expect(drops).toEqual(['e0 full', 'e1 full', 'e2 full']);
  page.answer = ACCEPTED;
  page.dispatch('online');
  await pass(30_000);
  track(page, 1, 2000);
  await pass(1000);
  const delivered = new Set(page.names());
  expect(delivered.has('e2000')).toBe(true);
  expect(page.sent.reduce((sum, { body }) => sum + (body.batch.some(({ event }) => event === 'e2000') ? body.dropped : 0), 0)).toBeGreaterThan(0);
});

test('a megabyte at most', async () => {
  const page = await openPage({ answer: new TypeError('down') });
  for (let i = 0; i < 60; i++) page.tropa.track('big', { text: 'x'.repeat(20_000) });
  expect(JSON.stringify(page.stored()).length).toBeLessThan(1_100_000);
});

test('events of last week are given up, and counted', async () => {
  const storage: Store = {};
  const first = await openPage({ storage, answer: new TypeError('down') });
  track(first, 1);
  await first.close();
  vi.setSystemTime(Date.now() + 8 * 86_400_000);
  const second = await openPage({ storage, answer: ACCEPTED });
  second.tropa.track('now');
  await pass(5000);
  expect(second.names()).toEqual(['now']);
  expect(second.sent[0].body.dropped).toBe(1);
});

test('storage blocked: everything is delivered from memory', async () => {
  const page = await openPage({ storage: blockedStore(), answer: ACCEPTED });
  track(page, 3);
  await pass(250);
  expect(page.names()).toEqual(['e0', 'e1', 'e2']);
  expect(new Set(page.events().map(({ anonymousId }) => anonymousId)).size).toBe(1);
});

test('a quota error in mid-write: memory carries what storage refused', async () => {
  const storage: Store = {};
  const page = await openPage({ storage: fullStore(storage, 1500), answer: new TypeError('down') });
  track(page, 10);
  await pass(250);
  page.answer = ACCEPTED;
  page.dispatch('online');
  await pass(500);
  expect(new Set(page.names()).size).toBe(10);
});

test('rubbish in storage does not stop the page', async () => {
  const storage: Store = { tropa_q_000000000000: '"x', tropa_q_000000000001: '[0,null,5]', tropa_session: '{', tropa_user: '7', tropa_consent: '"' };
  const page = await openPage({ storage, answer: ACCEPTED });
  track(page, 2);
  await pass(250);
  expect(page.names()).toEqual(['e0', 'e1']);
});
