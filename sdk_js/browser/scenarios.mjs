// What visitors do, as programs: each plays its part and answers the labels of the events that it sent.

import { sleep, until } from './chromium.mjs';
import { html, tag } from './site.mjs';

const AT_ONCE = 4;
const FEW = 5;

const range = (n) => Array.from({ length: n }, (_, i) => i);

/** Runs `work(i)` for 0…n−1, a few at once. */
const each = async (n, work) => {
  const left = range(n);
  const worker = async () => {
    for (let i = left.shift(); i !== undefined; i = left.shift()) await work(i);
  };
  await Promise.all(range(AT_ONCE).map(worker));
};

/** A visitor with cookies and storage of their own; they linger a moment after the work, as browsers do. */
const visitor = async (browser, work) => {
  const context = await browser.newContext();
  try {
    await work(await context.newPage(), context);
    await sleep(400);
  } finally {
    await context.close();
  }
};

const opened = async (page, site, query = '') => {
  await page.goto(`${site.origin}/${query}`);
  await page.waitForFunction(() => window.tropa);
};

const track = (page, label) => page.evaluate((value) => window.tropa.track('Probe', { label: value }), label);

const trackAll = async (page, labels) => {
  for (const label of labels) await track(page, label);
};

/** Nothing waits in the page's storage any more. */
const drained = (page, ms = 20_000) =>
  until(() => page.evaluate(() => !Object.keys(localStorage).some((key) => key.includes('_q_'))), ms);

const pages = (data) => ({
  // Tracks and leaves for the next page of the site, at once, until the last.
  '/chain': (url) => {
    const { label, i, n } = Object.fromEntries(url.searchParams);
    const next = `/chain?label=${label}&n=${n}&i=${Number(i) + 1}`;
    const act = `tropa.track('Probe', { label: '${label}-${i}' }); location.href = '${next}';`;
    const leave = `addEventListener('load', () => setTimeout(() => { ${act} }));`;
    return html(tag(data), Number(i) < Number(n) ? `<script>${leave}</script>` : '<p id="end">end</p>');
  },
});

const all = {
  'same-site navigation at once': async ({ browser, site, n, label }) => {
    await visitor(browser, async (page) => {
      await page.goto(`${site.origin}/chain?label=${label('x')}&i=0&n=${n}`);
      await page.waitForSelector('#end', { timeout: 1000 * n + 10_000 });
      await drained(page);
    });
    return range(n).map((i) => `${label('x')}-${i}`);
  },

  'to another site, never back': async ({ browser, site, n, label }) => {
    await each(n, (i) =>
      visitor(browser, async (page) => {
        await opened(page, site);
        await page.evaluate(([value, url]) => {
          window.tropa.track('Probe', { label: value });
          location.href = url;
        }, [label(i), `${site.elsewhere}/other`]);
        await page.waitForURL('**/other');
      }),
    );
    return range(n).map(label);
  },

  'click on an outbound link': async ({ browser, site, n, label }) => {
    await each(n, (i) =>
      visitor(browser, async (page) => {
        const link = `<a id="out" href="${site.elsewhere}/other?label=${label(i)}">out</a>`;
        await opened(page, site, `?auto=links&body=${encodeURIComponent(link)}`);
        await page.click('#out');
        await page.waitForURL('**/other?*');
      }),
    );
    return range(n).map(label);
  },

  'tab closed right after track': async ({ browser, site, n, label }) => {
    await each(n, (i) =>
      visitor(browser, async (page) => {
        await opened(page, site);
        await track(page, label(i));
        await page.close();
      }),
    );
    return range(n).map(label);
  },

  'first two answers 500': async ({ browser, site, gate, label }) => {
    const labels = range(FEW).map(label);
    gate.faults.push({ status: 500 }, { status: 500 });
    await visitor(browser, async (page) => {
      await opened(page, site);
      await trackAll(page, labels);
      await drained(page);
    });
    return labels;
  },

  'offline, then online': async ({ browser, site, label }) => {
    const labels = range(FEW).map(label);
    await visitor(browser, async (page, context) => {
      await opened(page, site);
      await context.setOffline(true);
      await trackAll(page, labels);
      await sleep(600);
      await context.setOffline(false);
      await drained(page);
    });
    return labels;
  },

  'offline, closed, next visit': async ({ browser, site, label }) => {
    const labels = range(FEW).map(label);
    await visitor(browser, async (page, context) => {
      await opened(page, site);
      await context.setOffline(true);
      await trackAll(page, labels);
      await sleep(400);
      await page.close();
      await context.setOffline(false);
      const next = await context.newPage();
      await opened(next, site);
      await drained(next);
    });
    return labels;
  },

  'collector down, page reloaded': async ({ browser, site, gate, label }) => {
    const labels = range(FEW).map(label);
    await visitor(browser, async (page) => {
      await opened(page, site);
      await gate.stop();
      await trackAll(page, labels);
      await sleep(600);
      await page.reload();
      await gate.start();
      await drained(page);
    });
    return labels;
  },

  'two tabs': async ({ browser, site, label }) => {
    const labels = range(2 * FEW).map(label);
    await visitor(browser, async (page, context) => {
      const second = await context.newPage();
      await opened(page, site);
      await opened(second, site);
      await Promise.all([trackAll(page, labels.slice(FEW)), trackAll(second, labels.slice(0, FEW))]);
      await Promise.all([drained(page), drained(second)]);
    });
    return labels;
  },

  'two tabs, one closed while down': async ({ browser, site, gate, label }) => {
    const labels = range(2 * FEW).map(label);
    await visitor(browser, async (page, context) => {
      const second = await context.newPage();
      await opened(page, site);
      await opened(second, site);
      await gate.stop();
      await Promise.all([trackAll(page, labels.slice(FEW)), trackAll(second, labels.slice(0, FEW))]);
      await second.close();
      await sleep(500);
      await gate.start();
      await drained(page);
    });
    return labels;
  },
};

export const scenarios = { all, pages };
