import type { Tropa } from './types';

type Navigated = Event & { navigationType?: string | null };
type Navigating = typeof globalThis & { navigation?: EventTarget };

export interface PageViewOptions {
  /** The router keeps its path behind the #. */
  hash?: boolean;
}

/** A page view now, and one whenever path or query change by a new history entry. Returns the cleanup. */
export const enablePageViews = (tropa: Pick<Tropa, 'page'>, { hash }: PageViewOptions = {}): (() => void) => {
  const { navigation } = self as Navigating;
  const { pushState } = history;
  const address = () => location.pathname + location.search + (hash ? location.hash : '');
  let viewed = '';
  let stopped = false;

  const view = () => {
    if (stopped || viewed === address()) return;
    viewed = address();
    tropa.page();
  };
  // After a zero timeout the router has set the title.
  const later = () => {
    setTimeout(view);
  };
  const entered = ({ navigationType }: Navigated) => {
    if (/push|trav/.test(navigationType!)) later();
  };
  const returned = ({ persisted }: PageTransitionEvent) => {
    if (!persisted) return;
    viewed = '';
    view();
  };

  if (navigation) navigation.addEventListener('currententrychange', entered);
  else {
    history.pushState = function (...args) {
      pushState.apply(this, args);
      later();
    };
    addEventListener('popstate', later);
  }
  addEventListener('pageshow', returned);
  view();

  return () => {
    stopped = true;
    if (navigation) navigation.removeEventListener('currententrychange', entered);
    removeEventListener('popstate', later);
    removeEventListener('pageshow', returned);
  };
};
