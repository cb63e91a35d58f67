// src/storage.ts
var quietly = (work) => {
  try {
    return work();
  } catch {
  }
};

// src/links.ts
var enableOutboundLinks = (tropa) => {
  const clicked = ({ target, button }) => quietly(() => {
    const link = target.closest("a[href]");
    if (!link.host || link.host === location.host || button > 1) return;
    tropa.track("Link Clicked", { url: link.href });
    link.href = tropa.link(link.href);
  });
  addEventListener("click", clicked, true);
  addEventListener("auxclick", clicked, true);
  return () => {
    removeEventListener("click", clicked, true);
    removeEventListener("auxclick", clicked, true);
  };
};
export {
  enableOutboundLinks
};
