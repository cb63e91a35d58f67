import type { Tropa } from './types.js';
/** `Link Clicked` for links that leave the host; links to the `linker` domains are marked. Returns the cleanup. */
export declare const enableOutboundLinks: (tropa: Pick<Tropa, 'track' | 'link'>) => (() => void);
