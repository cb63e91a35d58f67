import { granted } from './consent';
import { uuid } from './ids';
import { keyOf, settings } from './settings';
import { read, readCookie, write, writeCookie } from './storage';
import type { Properties, User } from './types';

let memory = '';
let user: User = { traits: {} };

/** Script writes set-at 0: the collector re-sets the cookie with its first answer, before Safari's seven days count. */
const keepId = (id: string) => {
  memory = id;
  writeCookie('id', id && `${id}.0`);
  write('id', id);
};

/**
 * The anonymous id, made by the first event; null where there is none to see. The cookie `<name>_id` is `<id>.<set-at>`.
 * `arrived` came from another of the site's domains.
 */
export const visitorId = (arrived?: string): string | null => {
  if (!granted() || settings.httpOnly) return null;
  const known = read<string>('id');
  // Storage follows other tabs in microseconds; the cookie costs half a millisecond, and is asked once a page.
  if (memory && (known === memory || known === undefined)) return memory;
  const inCookie = readCookie(keyOf('id')).split('.')[0];
  const id = inCookie || known || memory || arrived || uuid();
  // A cookie that the collector set outlives one set by script: it is never written over.
  inCookie ? write('id', (memory = id)) : keepId(id);
  return id;
};

/** A new visitor. Where script never sees the id, the wish is kept for the next event: `takeReset`. */
export const renewId = () => {
  if (granted()) settings.httpOnly ? write('id', 1) : keepId(uuid());
};

export const takeReset = () => settings.httpOnly && read('id') && !write('id');

export const getUser = (): User => (granted() && read<User>('user')) || user;

export const setUser = (next: User) => {
  user = next;
  if (granted()) write('user', user);
};

/** Another user than the stored one is another visitor: histories of two people must not meet. */
export const identifyUser = (id: string | undefined, traits: Properties) => {
  const known = getUser();
  const changed = id && known.id && known.id !== id;
  if (changed) renewId();
  setUser({ id: id || known.id, traits: { ...(changed ? {} : known.traits), ...traits } });
};

export const forget = () => {
  user = { traits: {} };
  keepId('');
};
