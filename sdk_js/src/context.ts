import { granted } from './consent';
import { settings } from './settings';
import { quietly, readCookie } from './storage';
import type { Properties } from './types';

declare const __VERSION__: string;

type Hinted = Navigator & {
  userAgentData?: { getHighEntropyValues(names: string[]): Promise<Properties> };
};

const slow: Properties = {};

/** The page an event happened on. Nothing here reads layout. */
export const pageFacts = (address: string, title: string, referrer: string): Properties => {
  const { pathname, search, href } = new URL(address);
  return { path: pathname, referrer, search, title, url: href };
};

/** What is slow to ask (170 ms for a zone's name at 4x throttle) is asked when the page is idle. */
export const askSlowFacts = () =>
  (self.requestIdleCallback || setTimeout)(() =>
    quietly(() => {
      slow.timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
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
