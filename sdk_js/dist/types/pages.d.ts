import type { Tropa } from './types.js';
export interface PageViewOptions {
    /** The router keeps its path behind the #. */
    hash?: boolean;
}
/** A page view now, and one whenever path or query change by a new history entry. Returns the cleanup. */
export declare const enablePageViews: (tropa: Pick<Tropa, 'page'>, { hash }?: PageViewOptions) => (() => void);
