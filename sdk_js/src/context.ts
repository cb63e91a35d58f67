import { granted } from './consent';
import { settings } from './settings';
import { quietly, readCookie } from './storage';
import type { Properties } from './types';

declare const __VERSION__: string;

type Hinted = Navigator & {
  userAgentData?: { getHighEntropyValues(names: string[]): Promise<Properties> };
};

declare const Temporal: { Now: { timeZoneId(): string } };
declare const self: typeof globalThis & { Temporal?: typeof Temporal };

const slow: Properties = {};

/** What may be slow is asked when the page is idle: Intl takes 80-170 ms at 4x throttle to name the zone, Temporal 0.1. */
export const askSlowFacts = () =>
  (self.requestIdleCallback || setTimeout)(() =>
    quietly(() => {
      slow.timezone = self.Temporal ? Temporal.Now.timeZoneId() : Intl.DateTimeFormat().resolvedOptions().timeZone;
      (navigator as Hinted).userAgentData!.getHighEntropyValues(['platformVersion', 'model']).then(
        (values) => {
          slow.userAgentData = values;
        },
        () => {},
      );
    }),
  );

/** What is the same for all events of a batch: the device, other trackers' visitor ids where they are present. */
export const batchContext = (): Properties => ({
  library: { name: 'tropa.js', version: __VERSION__ },
  locale: navigator.language,
  screen: { width: screen.width, height: screen.height, density: devicePixelRatio },
  ...slow,
  externalIds: [
    ['ga_client_id', '_ga'],
    ['ym_client_id', '_ym_uid'],
  ]
    .map(([type, cookie]) => ({ type, id: granted() && readCookie(cookie) }))
    .filter(({ id }) => id),
  consent: { state: settings.consent },
});
