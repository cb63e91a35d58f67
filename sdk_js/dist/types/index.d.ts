import type { EventMap, Options, Tropa } from './types.js';
export type * from './types.js';
export type { EcommerceEvents } from './ecommerce.js';
export { enableForms } from './forms.js';
export { enableOutboundLinks } from './links.js';
export { enablePageViews } from './pages.js';
/**
 * The page's instance, the same one for every caller. Without a write key it keeps calls until `load()`, or until
 * somebody calls this with one.
 *
 * @throws TypeError for a write key without an absolute `url`; nothing is thrown after construction.
 */
export declare const createTropa: <Events extends object = EventMap>(options?: Partial<Options>) => Tropa<Events>;
