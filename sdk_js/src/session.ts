import { granted } from './consent';
import { read, write } from './storage';
import type { Properties } from './types';

const MINUTE = 60_000;

type Session = [start: number, last: number, landingTags: string];

let session: Session | undefined;
let seen: string | undefined;

/** Campaign and click ids of an address as JSON. */
export const landingTags = (search: string): string => {
  const tags: Properties = {};
  new URLSearchParams(search).forEach((value, key) => {
    if (/^utm_|(cl(ic)?k?id|braid|fat_id)$/.test(key))
      tags[key.replace('utm_campaign', 'name').replace('utm_', '')] = value.slice(0, 512);
  });
  return JSON.stringify(tags);
};

/**
 * What an event made now carries. 30 minutes without events or 24 hours end a session, and so does another
 * campaign: two are never blended. Clocks jump: the distance to the last event counts.
 */
export const touchSession = (): Properties => {
  const now = Date.now();
  let [start, last, tags] = (granted() && read<Session>('session')) || session || [0, 0, '{}'];
  const { search } = location;
  const landed = search === seen ? '{}' : landingTags((seen = search));
  const idle = Math.abs(now - last);
  const fresh = idle > 30 * MINUTE || now - start > 1440 * MINUTE || (landed[2] && landed !== tags);
  if (fresh) [start, tags] = [now, landed];
  // Written once a minute at most: storage writes are what makes trackers slow.
  if (fresh || idle > MINUTE) {
    session = [start, now, tags];
    if (granted()) write('session', session);
  }
  return { sessionId: granted() ? start : undefined, campaign: tags[2] && JSON.parse(tags) };
};

export const endSession = () => {
  session = undefined;
  write('session');
};
