import { quietly } from './storage';
import type { Tropa } from './types';

/** `Link Clicked` for links that leave the host; links to the `linker` domains are marked. Returns the cleanup. */
export const enableOutboundLinks = (tropa: Pick<Tropa, 'track' | 'link'>): (() => void) => {
  const clicked = ({ target, button }: MouseEvent) =>
    quietly(() => {
      const link = (target as Element).closest<HTMLAnchorElement>('a[href]')!;
      // Addresses without a host are `mailto:` and the like; the right button opens a menu.
      if (!link.host || link.host === location.host || button > 1) return;
      tropa.track('Link Clicked', { url: link.href });
      link.href = tropa.link(link.href);
    });
  addEventListener('click', clicked, true);
  addEventListener('auxclick', clicked, true);
  return () => {
    removeEventListener('click', clicked, true);
    removeEventListener('auxclick', clicked, true);
  };
};
