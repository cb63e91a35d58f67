import { open } from './tropa';
import type { EventMap, Options, Tropa } from './types';

export type * from './types';
export type { EcommerceEvents } from './ecommerce';
export { enableForms } from './forms';
export { enableOutboundLinks } from './links';
export { enablePageViews } from './pages';

/**
 * The SDK for a bundler. Without a write key it keeps calls until `load()`.
 *
 * @throws TypeError for a write key without an absolute `url`; nothing is thrown after construction.
 */
export const createTropa = <Events extends object = EventMap>(options: Partial<Options> = {}): Tropa<Events> => {
  if (options.writeKey) new URL(options.url!);
  // On a server there is no page: the instance exists, and nothing starts.
  return open(typeof document === 'undefined' ? {} : options) as unknown as Tropa<Events>;
};
