// The trail at the foot of the page: what this browser has told the collector since the tab was opened.
(() => {
  const KEY = 'listva-trail';
  const LONGEST = 40;
  const trail = JSON.parse(sessionStorage.getItem(KEY) || '[]');

  const titled = ({ category, name }) => `Page: ${[...new Set([category, name])].join(' · ')}`;
  const labelled = (event) => event.event || (event.type === 'page' ? titled(event) : 'Identify');

  const line = ({ at, what, who }) => {
    const item = document.createElement('li');
    for (const [tag, text] of [['time', at], ['span', what], ['code', who]]) {
      item.append(Object.assign(document.createElement(tag), { textContent: text }));
    }
    return item;
  };

  const show = () => {
    const list = document.getElementById('trail-events');
    if (!list) return;
    list.replaceChildren(...trail.map(line));
    document.getElementById('trail-count').textContent = trail.length === LONGEST ? `${LONGEST}+` : trail.length;
  };

  tropa.on('event', (event) => {
    const at = new Date(event.timestamp).toLocaleTimeString([], { hour12: false });
    const id = event.userId || String(event.anonymousId).slice(-8);
    trail.unshift({ at, what: labelled(event), who: id });
    trail.length = Math.min(trail.length, LONGEST);
    sessionStorage.setItem(KEY, JSON.stringify(trail));
    show();
  });

  addEventListener('DOMContentLoaded', show);

  // The click leaves the page at once: the snippet delivers it all the same.
  addEventListener('click', ({ target }) => {
    const link = target.closest('[data-clicked]');
    if (link) tropa.track('Product Clicked', JSON.parse(link.dataset.clicked));
  });
})();
