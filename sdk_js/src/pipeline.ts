import { gpc, granted, recalled, waiting } from './consent';
import { askSlowFacts } from './context';
import { forget, takeReset, visitorId } from './identity';
import { arrive } from './linker';
import { fire } from './listeners';
import { add, clear } from './queue';
import { abort, leave, lookAgain, resume, schedule } from './sender';
import { endSession, touchSession } from './session';
import { keyOf, settings } from './settings';
import { eachStored, quietly, write, writeCookie } from './storage';
import type { ConsentState, TropaEvent } from './types';

let opened: () => void;

/** The last look at an event: consent, ids, session, the page's own middlewares; then it is in the queue. */
export const accept = (event: TropaEvent): unknown => {
  const state = settings.consent;
  const purposes = event.context.consent.purposes.filter((purpose) => !gpc() || !/^(sale|advertising)$/.test(purpose));
  // Without ids there is nobody to identify or to alias; a state that is none of ours is a refusal.
  const refused = /^granted|^cookieless(?![ia])/.test(state + event.type) ? !purposes[0] && 'gpc' : 'consent';
  if (refused) return fire('drop', event, { code: refused });
  event.anonymousId = granted() ? visitorId() : (event.userId = undefined);
  // What another script left under our keys costs the session, never the event.
  event.context = { ...quietly(touchSession), ...event.context, consent: { state, purposes, gpc: gpc() } };
  const final = fire('use', event);
  if (!final) return;
  const json = JSON.stringify(final);
  fire('event', final);
  schedule(add(json, takeReset()));
};

/** What an earlier page left is taken over, what consent or prerendering held back leaves. */
const open = () => {
  if (waiting()) return;
  if (granted()) quietly(arrive);
  resume();
  opened();
};

/** Nothing stays but the choice itself. */
const wipe = () => {
  if (granted()) return;
  // Again after the answers that are still coming: they may set cookies.
  abort(wipe);
  clear();
  forget();
  endSession();
  writeCookie('ack', '');
  eachStored((suffix) => suffix === 'consent' || write(suffix));
};

const obey = (next: ConsentState) => {
  settings.consent = next;
  if (next !== 'pending') wipe();
  open();
};

export const choose = (next: ConsentState) => {
  obey(next);
  write('consent', /ed$/.test(next) && next);
};

export const start = (onOpen: () => void) => {
  opened = onOpen;
  askSlowFacts();
  addEventListener('visibilitychange', () => (document.hidden ? leave() : resume()));
  // It does not bubble: on its way down it is seen all the same.
  addEventListener('prerenderingchange', open, true);
  addEventListener('pagehide', leave);
  addEventListener('online', resume);
  addEventListener('storage', ({ key }) => {
    if (/_q_/.test(key!)) lookAgain();
    if (key === keyOf('consent')) obey(recalled());
  });
  obey(recalled());
};
