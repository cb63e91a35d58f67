// src/pages.ts
var enablePageViews = (tropa, { hash } = {}) => {
  const { navigation } = self;
  const { pushState } = history;
  const address = () => location.pathname + location.search + (hash ? location.hash : "");
  let viewed = "";
  let stopped = false;
  const view = () => {
    if (stopped || viewed === address()) return;
    viewed = address();
    tropa.page();
  };
  const later = () => {
    setTimeout(view);
  };
  const entered = ({ navigationType }) => {
    if (/push|trav/.test(navigationType)) later();
  };
  const returned = ({ persisted }) => {
    if (!persisted) return;
    viewed = "";
    view();
  };
  if (navigation) navigation.addEventListener("currententrychange", entered);
  else {
    history.pushState = function(...args) {
      pushState.apply(this, args);
      later();
    };
    addEventListener("popstate", later);
  }
  addEventListener("pageshow", returned);
  view();
  return () => {
    stopped = true;
    if (navigation) navigation.removeEventListener("currententrychange", entered);
    removeEventListener("popstate", later);
    removeEventListener("pageshow", returned);
  };
};
export {
  enablePageViews
};
