// How many events arrive, and how many twice: the table that the README prints.
//
//   node sdk_js/delivery.mjs --n 200
//   node sdk_js/delivery.mjs --n 200 --collector http://127.0.0.1:8000 --key wk_… --admin http://127.0.0.1:8001 --token …
//
// Without a collector, one that keeps everything in memory stands in. With `--json` the result is printed as JSON,
// with the labels that every scenario sent, so that somebody else can count them in the store.

import { parseArgs } from 'node:util';
import { launch, sleep } from './browser/chromium.mjs';
import { createRecorder } from './browser/recorder.mjs';
import { createGate, createSite, html, tag } from './browser/site.mjs';
import { scenarios } from './browser/scenarios.mjs';

const { values: flags } = parseArgs({
  options: {
    n: { type: 'string', default: '20' },
    only: { type: 'string', default: '' },
    collector: { type: 'string' },
    key: { type: 'string', default: 'wk_test' },
    admin: { type: 'string' },
    token: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});

const ANSWER_DELAY_MS = 80;

const setUp = async () => {
  const recorder = createRecorder();
  const gate = await createGate(flags.collector ?? recorder, { delayMs: ANSWER_DELAY_MS });
  const data = { key: flags.key, url: gate.url };
  const page = (url) => html(tag({ ...data, auto: url.searchParams.get('auto') ?? '' }), url.searchParams.get('body') ?? '');
  const site = await createSite({ '/': page, '/other': () => html('', 'Elsewhere'), ...scenarios.pages(data) });
  return { recorder, gate, site, browser: await launch() };
};

/** Receipts by label: what the recorder saw, or what a real collector's store holds. */
const countStored = async (recorder, labels) => {
  if (!flags.collector) {
    const stored = recorder.stored().map(labelOf);
    return new Map(labels.map((label) => [label, stored.filter((other) => other === label).length]));
  }
  if (!flags.admin) return undefined;
  const headers = { Authorization: `Bearer ${flags.token}` };
  const counts = new Map(labels.map((label) => [label, 0]));
  let before = '';
  do {
    const query = new URLSearchParams({ limit: '500', ...(before && { before }) });
    const { events, next } = await (await fetch(`${flags.admin}/api/v1/events?${query}`, { headers })).json();
    for (const event of events) if (counts.has(labelOf(event))) counts.set(labelOf(event), counts.get(labelOf(event)) + 1);
    before = next ?? '';
  } while (before);
  return counts;
};

const labelOf = ({ properties = {} }) => properties.label ?? /label=([\w-]+)/.exec(properties.url ?? '')?.[1];

const report = (name, labels, counts, recorder, seconds) => {
  const sent = recorder.events.filter((event) => labels.includes(labelOf(event))).length;
  const arrived = counts && labels.filter((label) => counts.get(label) > 0).length;
  const twice = counts && labels.filter((label) => counts.get(label) > 1).length;
  const resent = flags.collector ? undefined : sent - arrived;
  return { name, labels, events: labels.length, arrived, twice, resent, seconds };
};

const WIDTHS = [-36, 9, 14, 12, 9];

const line = (cells) =>
  cells.map((cell, i) => (WIDTHS[i] < 0 ? String(cell).padEnd(-WIDTHS[i]) : String(cell).padStart(WIDTHS[i]))).join('');

const row = ({ name, events, arrived, twice, resent, seconds }) =>
  line([name, `${arrived ?? '?'}/${events}`, twice ?? '?', resent ?? '-', `${seconds.toFixed(1)} s`]);

const run = Date.now().toString(36);
const chosen = Object.entries(scenarios.all).filter(([name]) => name.includes(flags.only));
const results = [];
const world = await setUp();
try {
  if (!flags.json) console.log(line(['scenario', 'arrived', 'stored twice', 'sent again', 'time']));
  for (const [name, play] of chosen) {
    const started = Date.now();
    const label = (i) => `${run}-${name.replace(/\W+/g, '-')}-${i}`;
    const labels = await play({ ...world, n: Number(flags.n), label });
    await sleep(200);
    const counts = await countStored(world.recorder, labels);
    results.push(report(name, labels, counts, world.recorder, (Date.now() - started) / 1000));
    if (!flags.json) console.log(row(results.at(-1)));
  }
  if (flags.json) console.log(JSON.stringify(results));
} finally {
  await world.browser.close();
  await world.gate.stop().catch(() => undefined);
  await world.site.stop();
}
