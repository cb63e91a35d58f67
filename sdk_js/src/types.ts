// The public types. Argument order is Segment's, so that code ports by search and replace.

export type Properties = Record<string, unknown>;

/** Event names and the shape of their properties; the default accepts any. */
export type EventMap = Record<string, object>;

/**
 * - `pending`: events wait in memory (100 at most), nothing is written or sent
 * - `granted`: waiting events leave with their original times
 * - `denied`: everything is dropped and deleted but the choice itself
 * - `cookieless`: events leave without any id, nothing is stored
 */
export type ConsentState = 'pending' | 'granted' | 'denied' | 'cookieless';

export interface Options {
  writeKey: string;
  /** The collector's batch address, e.g. `https://shop.example/v1/batch`, on any path of the site's own domain. */
  url: string;
  /** Prefix of cookies and storage keys, and the tag's global. It is the source's `cookie_name`. Default `tropa`. */
  name?: string;
  /** The source's `cookie_domain`, when subdomains share the visitor. */
  domain?: string;
  /** What holds until `consent()` is called; a choice kept from an earlier visit wins. Default `granted`. */
  consent?: ConsentState;
  /** The site's own domains (with their subdomains) that `link()` marks addresses for and that it accepts them from. */
  linker?: readonly string[];
  /** The source's `cookie_http_only`: script never sees the visitor's id. */
  httpOnly?: boolean;
}

export interface CallOptions {
  /** Merged into the event's context: `identity.token`, `externalIds`, … */
  context?: Properties;
  integrations?: Properties;
  /** What this call may be used for. Default `["analytics"]`; `sale` and `advertising` are refused under GPC. */
  purposes?: readonly string[];
  timestamp?: string | Date;
}

export interface TropaEvent {
  type: 'identify' | 'track' | 'page' | 'screen' | 'group' | 'alias';
  messageId: string;
  timestamp: string;
  anonymousId?: string | null;
  userId?: string;
  context: Properties & { consent: { state: ConsentState; purposes: readonly string[]; gpc?: boolean } };
  [field: string]: unknown;
}

/** Why an event will not be stored. `code` is the collector's, or `consent`, `gpc`, `middleware`, `full`, `expired`. */
export interface Reason {
  code?: string;
  message?: string;
  status?: number;
}

export interface User {
  id?: string;
  traits: Properties;
}

type Callback = () => void;

/** As with Segment, the callback may stand in place of any argument that is left out at the end. */
type Rest = [options?: CallOptions | null, done?: Callback] | [done?: Callback];
type Described<Fields> = [fields: Fields | null | undefined, ...rest: Rest] | [done?: Callback];
type Text = string | null | undefined;

/** Every call is synchronous, never throws and, where it makes an event, returns its message id. */
export interface Tropa<Events extends object = EventMap> {
  identify(userId: string | number | null | undefined, ...traits: Described<object>): string;
  identify(traits: object, ...rest: Rest): string;
  track<Name extends keyof Events & string>(event: Name, ...properties: Described<Events[Name]>): string;
  page(category: Text, name: Text, ...properties: Described<object>): string;
  page(name: Text, ...properties: Described<object>): string;
  page(properties: object, ...rest: Rest): string;
  page(done?: Callback): string;
  screen(category: Text, name: Text, ...properties: Described<object>): string;
  screen(name: Text, ...properties: Described<object>): string;
  screen(properties: object, ...rest: Rest): string;
  screen(done?: Callback): string;
  group(groupId: string | number, ...traits: Described<object>): string;
  /** Without a `previousId` it is the user's that is known, else the visitor's. */
  alias(userId: string | number, previousId?: string | number | null, ...rest: Rest): string;
  alias(userId: string | number, done: Callback): string;
  /** Forgets the user and starts a new anonymous id; with `device: false` the anonymous id stays. */
  reset(options?: { device?: boolean }): void;
  consent(state: ConsentState): void;
  /** Sends what waits now instead of within 250 ms. */
  flush(): void;
  /** The address with the visitor's id, for a domain of `linker`; any other address comes back unchanged. */
  link(url: string): string;
  /** null when there is none to see: consent is missing, cookieless, or the cookie is HttpOnly. */
  anonymousId(): string | null;
  user(): User;
  ready(work: (tropa: Tropa<Events>) => void): void;
  debug(on: boolean): void;
  /** Starts an SDK that was created without a write key. */
  load(writeKey: string, options?: Partial<Options>): void;
  on(kind: 'event', listener: (event: TropaEvent) => void): () => void;
  on(kind: 'drop', listener: (event: TropaEvent, reason: Reason) => void): () => void;
  on(kind: 'error', listener: (error: unknown) => void): () => void;
  /** Sees each event before it is queued: returns it, changed or not, or null to drop it. */
  use(middleware: (event: TropaEvent) => TropaEvent | null): () => void;
}
