import type { ConsentState, Options } from './types';

type Settings = Options & { linker: readonly string[]; consent: ConsentState };

/**
 * What this page's instance was loaded with, and the consent of this moment. A page has one instance: its cookies, its
 * storage and its listeners are the page's too.
 */
export const settings = { name: 'tropa', linker: [], consent: 'granted' } as unknown as Settings;

/** The name of a cookie or storage key. */
export const keyOf = (suffix: string) => `${settings.name}_${suffix}`;
