import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ACCEPTED, blockedStore, openPage, pass, type PageOptions, type Store } from './page';

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-21T20:31:35.253Z'), toFake: ['setTimeout', 'clearTimeout', 'Date'] });
});
afterEach(() => vi.useRealTimers());

const delivered = async (options: PageOptions, play: (page: Awaited<ReturnType<typeof openPage>>) => unknown) => {
  const page = await openPage({ answer: ACCEPTED, ...options });
  await play(page);
  await pass(300);
  return Object.assign(page, { all: page.events() });
};

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/;

describe('calls', () => {
  test('Segment’s verbs and overloads', async () => {
    const { all } = await delivered({}, ({ tropa }) => {
      tropa.identify(42, { plan: 'pro' });
      tropa.identify({ email: 'anna@example.com' });
      tropa.page();
      tropa.page('Name');
      tropa.page('Category', 'Name', { a: 1 });
      tropa.screen('Home', { b: 2 });
      tropa.group('g1', { name: 'Acme' });
      tropa.alias('42', 'old');
    });
    expect(all).toMatchObject([
      { type: 'identify', userId: '42', traits: { plan: 'pro' } },
      { type: 'identify', userId: '42', traits: { email: 'anna@example.com' } },
      { type: 'page', properties: { path: '/catalogue' } },
      { type: 'page', name: 'Name' },
      { type: 'page', category: 'Category', name: 'Name', properties: { a: 1, title: 'Catalogue' } },
      { type: 'screen', name: 'Home', properties: { b: 2 } },
      { type: 'group', groupId: 'g1', traits: { name: 'Acme' } },
      { type: 'alias', userId: '42', previousId: 'old' },
    ]);
    expect(all.every(({ messageId }) => UUID.test(messageId))).toBe(true);
    expect(all[2]).not.toHaveProperty('name');
  });

  test('alias without a previous id is of who is known: the user, else the visitor', async () => {
    const { all, tropa } = await delivered({}, ({ tropa: page }) => {
      page.alias('41');
      page.identify('42');
      page.alias('43');
    });
    expect([all[0].previousId, all[2].previousId]).toEqual([tropa.anonymousId(), '42']);
  });

  test('a callback stands where Segment lets it, and is no argument', async () => {
    const done = vi.fn();
    const { all, tropa } = await delivered({}, ({ tropa: page }) => {
      page.track('a', done);
      page.page('Name', done);
      page.alias('43', done);
      page.identify('42', done);
    });
    expect(done).toHaveBeenCalledTimes(4);
    expect(all).toMatchObject([{ event: 'a' }, { name: 'Name' }, { previousId: tropa.anonymousId() }, { userId: '42' }]);
  });

  test('a callback comes after the event is safe', async () => {
    let left = 0;
    const page = await openPage();
    page.tropa.track('a', {}, {}, () => left++);
    expect(left).toBe(0);
    await pass(0);
    expect(left).toBe(1);
    expect(page.stored()).toHaveLength(1);
  });

  test('what cannot be serialised is an error event, not an exception', async () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    const { all, errors } = await delivered({}, ({ tropa }) => {
      tropa.track('cycle', cycle);
      tropa.track('big', { n: 1n });
      tropa.track('fine');
      (tropa as any).track();
      (tropa as any).identify(null, null, null);
      (tropa as any).page(null, Symbol('x'));
    });
    expect(all.map(({ event }) => event)).toContain('fine');
    expect(errors).toHaveLength(2);
  });

  test('options travel: context merged, integrations, signed token', async () => {
    const { all } = await delivered({}, ({ tropa }) =>
      tropa.identify('42', {}, { context: { identity: { token: 'jwt' } }, integrations: { All: false } }),
    );
    expect(all[0]).toMatchObject({ integrations: { All: false }, context: { identity: { token: 'jwt' }, page: { path: '/catalogue' } } });
  });

  test('use changes and drops, a middleware that throws changes nothing', async () => {
    const { all } = await delivered({}, ({ tropa }) => {
      tropa.use((event) => ({ ...event, seen: 1 }));
      tropa.use(() => { throw new Error('page'); });
      const stop = tropa.use((event) => (event.event === 'secret' ? null : event));
      tropa.track('a');
      tropa.track('secret');
      stop();
      tropa.track('secret');
    });
    expect(all).toMatchObject([{ event: 'a', seen: 1 }, { event: 'secret', seen: 1 }]);
  });

  test('calls before load keep their time, address, order and id', async () => {
    const page = await openPage({ writeKey: '', answer: ACCEPTED });
    const id = page.tropa.track('early');
    const told: unknown[] = [];
    page.tropa.ready((tropa) => told.push(tropa === page.tropa));
    page.location.href = 'https://www.shop.example/later';
    await pass(5000);
    expect(page.sent).toHaveLength(0);
    page.tropa.load('wk_late', { url: 'https://events.shop.example/v1/batch' });
    page.tropa.load('wk_again');
    page.tropa.track('late');
    await pass(300);
    expect(told).toEqual([true]);
    expect(page.sent[0].body.writeKey).toBe('wk_late');
    expect(page.events()).toMatchObject([
      { event: 'early', messageId: id, timestamp: '2026-11-21T20:31:35.253Z', context: { page: { path: '/catalogue' } } },
      { event: 'late', context: { page: { path: '/later' } } },
    ]);
  });

  test('fifty prototype-pollution payloads change nothing and arrive whole', async () => {
    const keys = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];
    const shapes = [
      (key: string) => `{"${key}":{"polluted":1}}`,
      (key: string) => `{"a":{"${key}":{"polluted":1}}}`,
      (key: string) => `{"${key}":{"${key}":{"polluted":1}}}`,
      (key: string) => `{"${key}":null}`,
      (key: string) => `{"list":[{"${key}":{"polluted":1}}]}`,
    ];
    const payloads = keys.flatMap((key) => shapes.map((shape) => shape(key)));
    const { all, errors } = await delivered({}, async ({ tropa }) => {
      for (const text of payloads) tropa.track('p', JSON.parse(text));
      for (const text of payloads) tropa.identify('42', JSON.parse(text), { context: JSON.parse(text) } as any);
      await pass(1000);
    });
    expect(payloads.length * 2).toBe(50);
    expect(all).toHaveLength(50);
    expect(errors).toEqual([]);
    expect(({} as any).polluted).toBeUndefined();
    expect(all.slice(0, 25).map(({ properties }) => JSON.stringify(properties))).toEqual(payloads);
  });
});

describe('identity', () => {
  test('the cookie says that script set it, and the collector’s is never written over', async () => {
    const cookies: Store = {};
    const first = await delivered({ cookies }, ({ tropa }) => tropa.track('a'));
    const id = first.tropa.anonymousId();
    expect(cookies.tropa_id).toBe(`${id}.0`);
    cookies.tropa_id = `${id}.1795305861`;
    await delivered({ cookies, storage: first.storage }, ({ tropa }) => tropa.track('b'));
    expect(cookies.tropa_id).toBe(`${id}.1795305861`);
  });

  test('nothing is written before the first event', async () => {
    const { cookies, storage } = await delivered({}, () => undefined);
    expect([cookies, storage]).toEqual([{}, {}]);
  });

  test.each([
    ['the cookie', { cookies: { tropa_id: 'kept.17' } }],
    ['storage, when the cookie is gone', { storage: { tropa_id: '"kept"' } }],
  ])('the id survives in %s', async (_, options) => {
    const { all } = await delivered(options as PageOptions, ({ tropa }) => tropa.track('a'));
    expect(all[0].anonymousId).toBe('kept');
  });

  test('another user is another visitor, the same user is not', async () => {
    const { all, tropa } = await delivered({}, ({ tropa: page }) => {
      page.track('before');
      page.identify('42', { plan: 'pro' });
      page.identify('42', { city: 'Tula' });
      page.identify('43');
    });
    const [before, first, again, other] = all.map(({ anonymousId }) => anonymousId);
    expect([first, again]).toEqual([before, before]);
    expect(other).not.toBe(before);
    expect(tropa.user()).toEqual({ id: '43', traits: {} });
  });

  test('reset forgets the user and the id; with device false the id stays', async () => {
    const { all } = await delivered({}, ({ tropa }) => {
      tropa.identify('42');
      tropa.reset({ device: false });
      tropa.track('same');
      tropa.reset();
      tropa.track('new');
    });
    expect(all[1].anonymousId).toBe(all[0].anonymousId);
    expect(all[1].userId).toBeUndefined();
    expect(all[2].anonymousId).not.toBe(all[0].anonymousId);
  });

  test('HttpOnly: script sees no id and writes none; reset is a flag on a batch of its own, across pages', async () => {
    const storage: Store = {};
    const first = await delivered({ storage, httpOnly: true }, ({ tropa }) => {
      tropa.track('a');
      tropa.reset();
    });
    expect([first.tropa.anonymousId(), first.cookies, first.all[0].anonymousId]).toEqual([null, {}, null]);
    const second = await delivered({ storage, httpOnly: true }, ({ tropa }) => {
      tropa.track('b');
      tropa.track('c');
    });
    expect(second.sent.map(({ body }) => [body.reset, body.batch.length])).toEqual([[true, 2]]);
    const third = await delivered({ storage, httpOnly: true }, ({ tropa }) => tropa.track('d'));
    expect(third.sent[0].body.reset).toBeFalsy();
  });

  test('Google’s and Yandex’s ids are read where they are', async () => {
    const cookies = { _ga: 'GA1.1.1.2', _ym_uid: '17' };
    const { sent } = await delivered({ cookies }, ({ tropa }) => tropa.track('a'));
    expect(sent[0].body.context.externalIds).toEqual([{ type: 'ga_client_id', id: 'GA1.1.1.2' }, { type: 'ym_client_id', id: '17' }]);
  });
});

describe('linker', () => {
  const linker = ['shop.example', 'shop.test'];
  const leave = async (to: string) => {
    const { tropa } = await delivered({ linker }, (page) => page.tropa.track('a'));
    return { id: tropa.anonymousId(), address: tropa.link(to) };
  };

  test('the id travels to an own domain once, and leaves the address bar', async () => {
    const { id, address } = await leave('https://pay.shop.test/cart?x=1#top');
    const arrival = await delivered({ linker, address, referrer: 'https://www.shop.example/' }, ({ tropa }) => tropa.track('b'));
    expect(arrival.all[0].anonymousId).toBe(id);
    expect(arrival.location.href).toBe('https://pay.shop.test/cart?x=1#top');
  });

  test.each([
    ['a foreign domain', 'https://evil.example/', {}, 0],
    ['a look-alike', 'https://notshop.example/', {}, 0],
    ['no referrer', '', {}, 0],
    ['an id that exists', 'https://www.shop.example/', { cookies: { tropa_id: 'mine.1' } }, 0],
    ['more than two minutes', 'https://www.shop.example/', {}, 121_000],
    ['a mangled value', 'https://www.shop.example/', { mangle: true }, 0],
  ])('%s: not taken, but cleaned', async (_, referrer, { mangle, ...options }: any, wait) => {
    const { id, address } = await leave('https://pay.shop.test/');
    await pass(wait);
    const seen = mangle ? address.replace('tropa_id=', 'tropa_id=x') : address;
    const arrival = await delivered({ linker, address: seen, referrer, ...options }, ({ tropa }) => tropa.track('b'));
    expect(arrival.all[0].anonymousId).not.toContain(id);
    expect(arrival.location.href).toBe('https://pay.shop.test/');
  });

  test('other addresses stay as they are', async () => {
    for (const to of ['https://evil.example/', '/cart', 'mailto:a@shop.example', 'not an address'])
      expect((await leave(to)).address).toBe(to);
  });
});

describe('sessions and campaigns', () => {
  const CAMPAIGN = 'https://www.shop.example/?utm_source=vk&utm_campaign=spring&gclid=1&yclid=2&q=x';

  test('campaign and click ids stay with the session on later pages', async () => {
    const storage: Store = {};
    const first = await delivered({ storage, address: CAMPAIGN }, ({ tropa }) => tropa.page());
    const second = await delivered({ storage }, ({ tropa }) => tropa.page());
    const expected = { source: 'vk', name: 'spring', gclid: '1', yclid: '2' };
    expect(first.all[0].context.campaign).toEqual(expected);
    expect(second.all[0].context.campaign).toEqual(expected);
    expect(second.all[0].context.sessionId).toBe(first.all[0].context.sessionId);
  });

  test('another campaign is another session and takes nothing from the first', async () => {
    const storage: Store = {};
    const first = await delivered({ storage, address: CAMPAIGN }, ({ tropa }) => tropa.page());
    const second = await delivered({ storage, address: 'https://www.shop.example/?utm_source=mail' }, ({ tropa }) => tropa.page());
    expect(second.all[0].context.campaign).toEqual({ source: 'mail' });
    expect(second.all[0].context.sessionId).not.toBe(first.all[0].context.sessionId);
  });

  test.each([[29, true], [31, false]])('after %i idle minutes the session is the same: %s', async (minutes, same) => {
    const { all } = await delivered({ address: CAMPAIGN }, async ({ tropa }) => {
      tropa.track('a');
      await pass(minutes * 60_000);
      tropa.track('b');
    });
    expect(all[0].context.sessionId === all[1].context.sessionId).toBe(same);
    expect(Boolean(all[1].context.campaign)).toBe(same);
  });

  test('24 hours end a busy session', async () => {
    const { all } = await delivered({}, async ({ tropa }) => {
      for (let i = 0; i < 75; i++) {
        tropa.track('a');
        await pass(20 * 60_000);
      }
    });
    expect(new Set(all.map(({ context }) => context.sessionId)).size).toBe(2);
  });
});

describe('consent', () => {
  test('pending: nothing is written or sent; granted: everything leaves with its own time and page', async () => {
    const page = await openPage({ consent: 'pending', answer: ACCEPTED });
    const basket = { items: 1 };
    const id = page.tropa.track('early', basket);
    basket.items = 2;
    page.tropa.identify('42');
    await pass(60_000);
    page.hide();
    page.show();
    expect([page.sent, page.cookies, page.storage, page.tropa.anonymousId()]).toEqual([[], {}, {}, null]);
    page.tropa.consent('granted');
    await pass(300);
    expect(page.events()).toMatchObject([
      { messageId: id, event: 'early', properties: { items: 1 }, timestamp: '2026-11-21T20:31:35.253Z' },
      { type: 'identify', userId: '42' },
    ]);
    expect(page.events()[0].anonymousId).toBe(page.tropa.anonymousId());
    expect(page.storage.tropa_consent).toBe('"granted"');
  });

  test('pending holds a hundred; the oldest give way and are counted', async () => {
    const page = await openPage({ consent: 'pending', answer: ACCEPTED });
    for (let i = 0; i < 103; i++) page.tropa.track(`e${i}`);
    page.tropa.consent('granted');
    await pass(2000);
    expect(page.names()).toHaveLength(100);
    expect(page.names()[0]).toBe('e3');
    expect(page.sent[0].body.dropped).toBe(3);
  });

  test('denied: in flight is aborted, everything is deleted but the choice, again after the answer', async () => {
    const page = await openPage();
    page.tropa.identify('42');
    await pass(250);
    page.cookies.tropa_ack = 'x';
    page.tropa.consent('denied');
    expect(page.sent[0].init.signal!.aborted).toBe(true);
    page.cookies.tropa_id = 'set.by-answer';
    await pass(0);
    page.tropa.track('never');
    await pass(60_000);
    expect(page.sent).toHaveLength(1);
    expect([page.cookies, page.storage]).toEqual([{}, { tropa_consent: '"denied"' }]);
    expect(page.tropa.user()).toEqual({ traits: {} });
  });

  test('a choice outlives the page and wins over the site’s default', async () => {
    const { sent } = await delivered({ storage: { tropa_consent: '"denied"' }, consent: 'granted' }, ({ tropa }) => tropa.track('a'));
    expect(sent).toHaveLength(0);
  });

  test('a choice in another tab holds here', async () => {
    const page = await openPage({ answer: ACCEPTED });
    page.storage.tropa_consent = '"denied"';
    page.dispatch('storage', { key: 'tropa_consent' });
    page.tropa.track('a');
    await pass(300);
    expect(page.sent).toHaveLength(0);
  });

  test('cookieless: no id, no storage, no credentials, and nobody to identify', async () => {
    const drops: unknown[] = [];
    const { all, sent, cookies, storage } = await delivered({ consent: 'cookieless', cookies: { _ga: 'GA1.1.1.2', tropa_id: 'old.1' } }, ({ tropa }) => {
      tropa.on('drop', (event, reason) => drops.push([event.type, reason.code]));
      tropa.identify('42', { email: 'anna@example.com' });
      tropa.track('a');
    });
    expect(all).toHaveLength(1);
    expect(all[0]).not.toHaveProperty('anonymousId');
    expect(all[0]).not.toHaveProperty('userId');
    expect(all[0].context).not.toHaveProperty('sessionId');
    expect(all[0].context.consent.state).toBe('cookieless');
    expect(sent[0].init.credentials).toBe('omit');
    expect(sent[0].body.context.externalIds).toEqual([]);
    expect([cookies, storage]).toEqual([{ _ga: 'GA1.1.1.2' }, {}]);
    expect(drops).toEqual([['identify', 'consent']]);
  });

  test('a state that is none is a refusal', async () => {
    const page = await openPage({ answer: ACCEPTED });
    const drops: unknown[] = [];
    page.tropa.on('drop', (event, reason) => drops.push([event.type, reason.code]));
    page.tropa.consent('Denied' as any);
    page.tropa.identify('42', { email: 'anna@example.com' });
    page.tropa.track('a');
    await pass(300);
    expect([page.sent, page.cookies, drops]).toEqual([[], {}, [['identify', 'consent'], ['track', 'consent']]]);
  });

  test('GPC refuses sale and advertising, and travels as a signal', async () => {
    const drops: unknown[] = [];
    const { all } = await delivered({ gpc: true }, ({ tropa }) => {
      tropa.on('drop', (event, reason) => drops.push([event.event, reason.code]));
      tropa.track('sold', {}, { purposes: ['sale'] });
      tropa.track('both', {}, { purposes: ['analytics', 'advertising'] });
      tropa.track('plain');
    });
    expect(drops).toEqual([['sold', 'gpc']]);
    expect(all.map(({ event, context }) => [event, context.consent])).toEqual([
      ['both', { state: 'granted', purposes: ['analytics'], gpc: true }],
      ['plain', { state: 'granted', purposes: ['analytics'], gpc: true }],
    ]);
  });

  test('blocked storage and consent', async () => {
    const page = await openPage({ storage: blockedStore(), consent: 'pending', answer: ACCEPTED });
    page.tropa.track('a');
    page.tropa.consent('granted');
    await pass(300);
    page.tropa.consent('denied');
    page.tropa.track('b');
    await pass(300);
    expect(page.names()).toEqual(['a']);
    expect(page.errors).toEqual([]);
  });
});

test('credentials only go to the same site', async () => {
  const { sent } = await delivered({ url: 'https://collector.other.test/v1/batch' }, ({ tropa }) => tropa.track('a'));
  expect(sent[0].init.credentials).toBe('omit');
});

test('a hostile referrer is only text', async () => {
  const referrer = 'javascript:alert(1)//"><script>\u0000\ud800';
  const { all, errors } = await delivered({ referrer, linker: ['shop.example'], address: 'https://www.shop.example/?tropa_id=a.b.c' }, ({ tropa }) => tropa.page());
  expect(all[0].context.page.referrer).toBe(referrer);
  expect(errors).toEqual([]);
});
