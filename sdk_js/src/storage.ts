// Storage that refuses (blocked, sandboxed, full) is normal: every access here fails quietly.

import { keyOf, settings } from './settings';

export const quietly = <Value>(work: () => Value): Value | undefined => {
  try {
    return work();
  } catch {}
};

/** The value under `<name>_<suffix>`; nothing when there is none or storage cannot be read. */
export const read = <Value>(suffix: string) => quietly((): Value => JSON.parse(localStorage[keyOf(suffix)] || null));

/** The value, once it is written; a falsy one removes. */
export const write = <Value>(suffix: string, value?: Value) =>
  quietly(() => {
    value ? (localStorage[keyOf(suffix)] = JSON.stringify(value)) : delete localStorage[keyOf(suffix)];
    return value;
  });

/** Visits the suffixes there are. */
export const eachStored = (visit: (suffix: string) => unknown) =>
  quietly(() =>
    Object.keys(localStorage).forEach((key) => {
      const [before, suffix] = key.split(keyOf(''));
      before || visit(suffix);
    }),
  );

export const readCookie = (name: string): string =>
  quietly(() => `; ${document.cookie}`.split(`; ${name}=`)[1].split(';')[0]) || '';

/** 400 days, the most that Chromium keeps; an empty value deletes. */
export const writeCookie = (suffix: string, value: string) =>
  quietly(() => {
    document.cookie =
      `${keyOf(suffix)}=${value};path=/;max-age=${value ? 34560000 : 0};samesite=lax;domain=${settings.domain || ''}` +
      (location.protocol > 'http:' ? ';secure' : '');
  });
