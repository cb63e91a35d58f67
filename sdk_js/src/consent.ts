import type { ConsentState } from './types';
import { settings } from './settings';
import { read } from './storage';

export const gpc = () => (navigator as Navigator & { globalPrivacyControl?: boolean }).globalPrivacyControl;

/** Cookies and storage may be used, ids may be sent. */
export const granted = () => settings.consent === 'granted';

/** Nothing may leave yet: not loaded, consent pending, or nobody sees the page. */
export const waiting = () =>
  !settings.writeKey || settings.consent === 'pending' || (document as Document & { prerendering?: boolean }).prerendering;

/** A choice kept from an earlier visit, or made in another tab, wins over the site's default. */
export const recalled = (): ConsentState => read('consent') || settings.consent;
