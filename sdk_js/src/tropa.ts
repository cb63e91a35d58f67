import { waiting } from './consent';
import { uuid } from './ids';
import { getUser, identifyUser, renewId, setUser, visitorId } from './identity';
import { mark } from './linker';
import { debug, fire, on } from './listeners';
import { accept, choose, start } from './pipeline';
import { lose } from './queue';
import { send } from './sender';
import { endSession } from './session';
import { settings } from './settings';
import { quietly } from './storage';
import type { CallOptions, Options, Properties, Tropa, TropaEvent } from './types';

type Handler = (...args: any[]) => any;

/** A call, and when and where it was made: that is not always when and where it is served. */
export type Call = [verb: string, args: unknown[], time: number, address: string, title?: string, messageId?: string];

const HELD = 100;

const isObject = (value: unknown): value is Properties => Object(value) === value;

let held: Call[] = [];
let current: Call;
let viewed = '';
let previous = '';

/** The page of the call. Nothing here reads layout. */
const facts = (): Properties => {
  const { pathname, search, href } = new URL(current[3]);
  return { path: pathname, referrer: previous || document.referrer, search, title: current[4] || document.title, url: href };
};

const emit = (type: TropaEvent['type'], fields: Properties, options?: CallOptions) => {
  const { context, purposes = ['analytics'], ...rest } = options || {};
  accept({
    type,
    messageId: current[5] || uuid(),
    timestamp: new Date(current[2]).toISOString(),
    userId: getUser().id,
    ...fields,
    ...rest,
    context: { page: facts(), ...context, consent: { purposes } },
  } as unknown as TropaEvent);
};

/** Segment's overloads: strings are category and name (one alone is the name), objects properties and options. */
const view = (type: 'page' | 'screen', args: unknown[]) => {
  const [name, category] = args.filter((arg) => typeof arg === 'string').reverse();
  const [properties, options] = args.filter(isObject);
  const isPage = type === 'page';
  if (isPage && viewed !== current[3]) {
    previous = viewed;
    viewed = current[3];
  }
  emit(type, { category, name, properties: { ...(isPage && facts()), ...properties } }, options);
};

const verbs: Record<string, Handler> = {
  identify: (id, traits, options) => {
    if (isObject(id)) [id, traits, options] = [, id, traits];
    identifyUser(id && `${id}`, traits);
    emit('identify', { traits }, options);
  },
  track: (event, properties, options) => emit('track', { event, properties }, options),
  page: (...args) => view('page', args),
  screen: (...args) => view('screen', args),
  group: (groupId, traits, options) => emit('group', { groupId, traits }, options),
  alias: (userId, previousId, options) =>
    emit('alias', { userId, previousId: previousId || getUser().id || visitorId() }, options),
  reset: (options) => {
    setUser({ traits: {} });
    endSession();
    if (!options || options.device !== false) renewId();
  },
};

const serve = (call: Call) => {
  const [verb, args] = (current = call);
  (verbs[verb] || (api as any)[verb])(...args);
};

/** Serves what was held back for want of a write key, of consent, of a visitor who really came. */
const release = () =>
  held.splice(0).forEach((call) => (verbs[call[0]] && waiting() ? held.push(call) : quietly(() => serve(call))));

const receive = (verb: string, args: unknown[]): string => {
  const messageId = uuid();
  // Callbacks run later: the event is safe once the call returned, and code written for Segment may leave the page in its own.
  const rest = args.filter((arg) => !(typeof arg === 'function' && setTimeout(arg)));
  const call: Call = [verb, rest, Date.now(), location.href.slice(0, 4096), document.title, messageId];
  if (!waiting()) serve(call);
  // A copy: the page may change its objects before consent comes.
  else if (held.push(JSON.parse(JSON.stringify(call))) > HELD) {
    lose({ messageId: held.shift()![5] } as TropaEvent, 'full');
  }
  return messageId;
};

export const api = {
  consent: choose,
  flush: send,
  link: (url) => quietly(() => mark(url)) || url,
  anonymousId: () => visitorId(),
  user: getUser,
  ready: (work) => {
    settings.writeKey ? quietly(() => work(api)) : on('ready', work);
  },
  debug,
  on,
  use: (middleware) => on('use', middleware),
} as Tropa;

for (let verb in verbs) {
  (api as any)[verb] = (...args: unknown[]) => {
    try {
      return receive(verb, args);
    } catch (error) {
      fire('error', error);
    }
  };
}

/** The page's instance. Without a write key it keeps the calls made to it until `load`. */
export const open = (options: Partial<Options>, calls: Call[] = []): Tropa => {
  api.load = (writeKey, more) => {
    if (settings.writeKey) return;
    Object.assign(settings, options, more, { writeKey });
    start(release);
    fire('ready', api);
  };
  held = calls;
  options.writeKey ? api.load(options.writeKey) : calls.forEach((call) => call[0] === 'load' && serve(call));
  return api;
};
