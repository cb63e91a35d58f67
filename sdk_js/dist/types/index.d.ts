import type { EventMap, Options, Tropa } from './types.js';
export type * from './types.js';
export type { EcommerceEvents } from './ecommerce.js';
export { enableForms } from './forms.js';
export { enableOutboundLinks } from './links.js';
export { enablePageViews } from './pages.js';
/**
 * The SDK for a bundler. Without a write key it keeps calls until `load()`.
 *
 * @throws TypeError for a write key without an absolute `url`; nothing is thrown after construction.
 */
export declare const createTropa: <Events extends object = EventMap>(options?: Partial<Options>) => Tropa<Events>;
