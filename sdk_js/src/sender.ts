import { granted, waiting } from './consent';
import { batchContext } from './context';
import { fire } from './listeners';
import { adopt, claimed, halve, keep, parsed, save, size, TRIED, type Batch } from './queue';
import { settings } from './settings';
import { quietly } from './storage';
import type { Reason } from './types';

const LINGER = 250;
const SEND_AT = 20;
const TIMEOUT = 15_000;
const RESCAN = 2_000;
/** Chromium finishes an aborted keepalive request, and its answer may set cookies. */
const AFTERMATH = 5_000;
/** Browsers allow 64 KB of keepalive requests in flight, a page's other scripts included. */
const KEEPALIVE_BYTES = 60_000;

type Reply = Partial<Reason> & { errors?: (Reason & { messageId: string })[] };

const flights = new Set<AbortController>();
let bytesInFlight = 0;
let failures = 0;
let timer = 0;
let rescan = 0;
let afterAbort: () => void;

/** Same site by the last two labels, wherever the url has them: too wide only where it does no harm (`co.uk`). */
const credentials = () =>
  granted() && settings.url.includes(location.hostname.split('.').slice(-2).join('.')) ? 'include' : 'omit';

/** The body with the time of this attempt; the events keep theirs. */
const bodyOf = (batch: Batch) =>
  `${JSON.stringify({
    writeKey: settings.writeKey,
    batchId: batch.id,
    sentAt: new Date(),
    reset: batch.reset,
    dropped: batch.dropped,
    context: batchContext(),
  }).slice(0, -1)},"batch":[${batch.items}]}`;

const wake = (delay: number) => {
  timer = timer || setTimeout(send, delay);
};

const rest = () => {
  timer = clearTimeout(timer) as unknown as number;
};

/** Sends what waits now. One request at a time. */
export const send = () => {
  rest();
  const [batch] = claimed();
  if (batch && !waiting() && !flights.size) attempt(batch);
};

const settle = (batch: Batch, status: number, reply: Reply, retryAfter: number) => {
  // Final are a 200 and the sender's own faults; whatever else answers, a proxy's 204 too, has stored nothing.
  if (!/200|4(?!08|25|29)../.test(status as unknown as string)) {
    rest();
    const backoff = Math.min(60_000, 1000 * 2 ** failures++) * (1 - Math.random() / 2);
    return wake(Math.min(retryAfter, 3600) * 1000 || backoff);
  }
  failures = 0;
  if (status === 413 && batch.items[1]) halve(batch);
  else {
    keep((other) => other !== batch);
    save();
    // The collector names the events that it refused of a batch; any other final answer refuses all of it.
    parsed(batch).forEach((event) => {
      // By id: the oldest events of the batch may have given way since it was sent.
      const reason = status === 200 ? (reply.errors || []).find(({ messageId }) => messageId === event.messageId) : { status, ...reply };
      if (reason) fire('drop', event, reason);
    });
  }
  send();
};

const post = async (batch: Batch, body: string) => {
  const bytes = size(body);
  const flight = new AbortController();
  let status = 0;
  let retryAfter = 0;
  let reply = {};
  flights.add(flight);
  setTimeout(() => flight.abort(), TIMEOUT);
  bytesInFlight += bytes;
  try {
    // A string body is text/plain: no preflight, so that a page which is leaving gets through.
    const answer = await fetch(settings.url, {
      method: 'POST',
      body,
      keepalive: bytesInFlight < KEEPALIVE_BYTES,
      credentials: credentials(),
      signal: flight.signal,
    });
    status = answer.status;
    retryAfter = +answer.headers.get('retry-after')!;
    reply = await answer.json();
  } catch {
    // A 200 that is not JSON is not the collector's.
    if (status === 200) status = 0;
  }
  bytesInFlight -= bytes;
  if (flights.delete(flight)) quietly(() => settle(batch, status, reply, retryAfter));
  else setTimeout(afterAbort, AFTERMATH);
};

const attempt = (batch: Batch, leaving?: boolean): unknown => {
  const body = bodyOf(batch);
  if (!leaving || bytesInFlight + size(body) < KEEPALIVE_BYTES) post(batch, body);
  // A beacon has no answer: its events stay until the acknowledgement cookie or a later attempt.
  else if (credentials() === 'omit' || !navigator.sendBeacon(settings.url, body))
    return batch.items[1] && (halve(batch), attempt(batch, leaving));
  batch.state = TRIED;
};

/** The page may be gone any moment: everything that was not tried yet goes out at once. */
export const leave = () => {
  // Halves are met too, behind the batch that they were cut from.
  for (const batch of claimed()) if (!waiting() && batch.state < TRIED) attempt(batch, true);
  save(true);
};

export const schedule = (events: number) => {
  if (document.hidden) leave();
  else events < SEND_AT || failures ? wake(LINGER) : send();
};

/** Takes over what other pages left and sends it. */
const takeOver = () => {
  rescan = 0;
  if (granted()) adopt(lookAgain);
  send();
};

/** Another page has a queue: what it leaves when it dies will be found. */
export const lookAgain = () => {
  rescan = rescan || setTimeout(takeOver, RESCAN);
};

/** Back from offline, from hidden, from another page: waiting has no reason any more. */
export const resume = () => {
  failures = 0;
  takeOver();
};

/** Consent was withdrawn: nothing in flight counts any more. `then` is called when the answers to it have come. */
export const abort = (then: () => void) => {
  afterAbort = then;
  rest();
  flights.forEach((flight) => flight.abort());
  flights.clear();
};
