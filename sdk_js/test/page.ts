// A page without a browser: the globals that the SDK touches, each as small as it can be. Storage and cookies are
// handed in, so that several pages can share them; a fresh import gives each page its own instance.

import { vi } from 'vitest';
import type { Options, Tropa } from '../src/types';

export type Store = Record<string, string>;

export interface Answer {
  status: number;
  reply?: unknown;
  retryAfter?: string;
}

export interface Sent {
  body: { writeKey: string; batchId: string; sentAt: string; dropped: number; reset?: unknown; context: any; batch: any[] };
  init: RequestInit;
  /** Answers this request; the default answer is `page.answer`. */
  settle: (answer: Answer | Error) => Promise<void>;
}

export const ACCEPTED: Answer = { status: 200, reply: { success: true, errors: [], warnings: [] } };

/** Every access throws, as where storage is blocked. */
export const blockedStore = (): Store => {
  const refuse = () => {
    throw new DOMException('blocked', 'SecurityError');
  };
  return new Proxy({}, { get: refuse, set: refuse, deleteProperty: refuse, ownKeys: refuse });
};

/** Writes beyond `chars` throw, as where storage is full. */
export const fullStore = (store: Store, chars: number): Store =>
  new Proxy(store, {
    set: (target, key: string, value: string) => {
      if (value.length > chars) throw new DOMException('full', 'QuotaExceededError');
      target[key] = value;
      return true;
    },
  });

/** What `document.cookie` does, without paths and domains. */
const cookieJar = (cookies: Store) => ({
  get: () => Object.entries(cookies).map(([name, value]) => `${name}=${value}`).join('; '),
  set: (text: string) => {
    const [pair] = text.split(';');
    const [name, value] = pair.split('=');
    if (/max-age=0/.test(text)) delete cookies[name];
    else cookies[name] = value;
  },
});

export interface PageOptions extends Partial<Options> {
  storage?: Store;
  cookies?: Store;
  address?: string;
  referrer?: string;
  gpc?: boolean;
  /** Answers every request at once; without it requests wait for `settle`. */
  answer?: Answer | Error;
  /** What sendBeacon answers for a body. */
  beacon?: (body: string) => boolean;
}

/** Lets promises run; timers stay where they are. */
export const tick = async () => {
  for (let i = 0; i < 12; i++) await Promise.resolve();
};

export const openPage = async (given: PageOptions = {}) => {
  const { storage = {}, cookies = {}, address = 'https://www.shop.example/catalogue', referrer = '', gpc, ...rest } = given;
  const { answer, beacon = () => true, ...options } = rest;
  const listeners: Record<string, ((event: any) => void)[]> = {};
  const sent: Sent[] = [];
  const beacons: string[] = [];
  const page = { answer, sent, beacons, storage, cookies, errors: [] as unknown[] };

  const location = Object.assign(new URL(address), {});
  const document = { hidden: false, title: 'Catalogue', referrer };
  Object.defineProperty(document, 'cookie', cookieJar(cookies));

  const request = (url: string, init: RequestInit) =>
    new Promise((resolve, reject) => {
      const settle = async (result: Answer | Error) => {
        if (result instanceof Error) reject(result);
        else
          resolve({
            status: result.status,
            headers: { get: () => result.retryAfter ?? null },
            json: async () => {
              if (result.reply === undefined) throw new SyntaxError('not JSON');
              return result.reply;
            },
          });
        await tick();
      };
      init.signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
      sent.push({ body: JSON.parse(init.body as string), init, settle });
      if (page.answer) void settle(page.answer);
    });

  vi.stubGlobal('self', globalThis);
  vi.stubGlobal('location', location);
  vi.stubGlobal('document', document);
  vi.stubGlobal('localStorage', storage);
  vi.stubGlobal('screen', { width: 1280, height: 720 });
  vi.stubGlobal('devicePixelRatio', 2);
  vi.stubGlobal('history', { state: { from: 'router' }, replaceState: (_state: unknown, _title: string, url: URL) => { location.href = `${url}`; } });
  vi.stubGlobal('navigator', {
    language: 'ru-RU', userAgent: 'Test/1.0', globalPrivacyControl: gpc,
    sendBeacon: (_url: string, body: string) => beacon(body) && beacons.push(body) > 0,
  });
  vi.stubGlobal('fetch', request);
  vi.stubGlobal('addEventListener', (type: string, listener: (event: any) => void) => (listeners[type] ??= []).push(listener));
  vi.stubGlobal('removeEventListener', (type: string, listener: (event: any) => void) => {
    listeners[type] = (listeners[type] ?? []).filter((other) => other !== listener);
  });

  vi.resetModules();
  const { open } = await import('../src/tropa');
  const start = { writeKey: 'wk_test', url: 'https://events.shop.example/v1/batch', ...options };
  const tropa: Tropa = open('writeKey' in given && !given.writeKey ? { ...start, writeKey: '' } : start, []);
  tropa.on('error', (error) => page.errors.push(error));

  const dispatch = (type: string, event: object = {}) => listeners[type]?.forEach((listener) => listener(event));
  const setHidden = (hidden: boolean) => {
    document.hidden = hidden;
    dispatch('visibilitychange');
  };
  return Object.assign(page, {
    tropa, dispatch, document, location,
    hide: () => setHidden(true),
    show: () => setHidden(false),
    /** Hides, and runs no timer any more. */
    close: async () => {
      setHidden(true);
      await tick();
      vi.clearAllTimers();
    },
    /** Every event sent so far, in order. */
    events: () => sent.flatMap(({ body }) => body.batch),
    names: () => sent.flatMap(({ body }) => body.batch.map((event) => event.event)),
    /** The batches that wait in storage, by the queue's key. */
    stored: () => Object.keys(storage).filter((key) => key.includes('_q_')).map((key) => JSON.parse(storage[key])),
  });
};

/** Runs timers and the promises behind them. */
export const pass = async (ms: number) => {
  await vi.advanceTimersByTimeAsync(ms);
  await tick();
};
