import { open } from './tropa';
import type { EventMap, Options, Tropa } from './types';

export type * from './types';
export type { EcommerceEvents } from './ecommerce';
export { enableForms } from './forms';
export { enableOutboundLinks } from './links';
export { enablePageViews } from './pages';

let instance: Tropa | undefined;

/**
 * The page's instance, the same one for every caller. Without a write key it keeps calls until `load()`, or until
 * somebody calls this with one.
 *
 * @throws TypeError for a write key without an absolute `url`; nothing is thrown after construction.
 */
export const createTropa = <Events extends object = EventMap>(options: Partial<Options> = {}): Tropa<Events> => {
  if (options.writeKey) new URL(options.url!);
  // On a server there is no page: the instance exists, and nothing starts.
  const usable = typeof document === 'undefined' ? {} : options;
  if (!instance) instance = open(usable);
  else if (usable.writeKey) instance.load(usable.writeKey, usable);
  return instance as unknown as Tropa<Events>;
};
