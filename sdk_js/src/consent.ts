import { settings } from './settings';
import { read, write } from './storage';

export const gpc = () => (navigator as Navigator & { globalPrivacyControl?: boolean }).globalPrivacyControl;

/** Cookies and storage may be used, ids may be sent. */
export const granted = () => settings.consent === 'granted';

/** Nothing may leave yet: not loaded, consent pending, or nobody sees the page. */
export const waiting = () =>
  !settings.writeKey || settings.consent === 'pending' || (document as Document & { prerendering?: boolean }).prerendering;

/** A choice kept from an earlier visit wins over the site's default. */
export const recall = () => {
  settings.consent = read('consent') || settings.consent || 'granted';
};

export const remember = () => write('consent', /ed$/.test(settings.consent!) && settings.consent);
