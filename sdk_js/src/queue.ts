import { granted } from './consent';
import { shortId } from './ids';
import { fire } from './listeners';
import { keyOf } from './settings';
import { eachStored, read, readCookie, write } from './storage';
import type { TropaEvent } from './types';

// The events of this page instance, mirrored to one storage key that nobody else writes: the end of its lease,
// then its batches. Pages that find a key whose lease ran out adopt its batches.

/** Events that leave together, in the order they were made; stored as it is. */
export interface Batch {
  id: string;
  /** When it was begun, ms. */
  at: number;
  /** Its first event begins a new visitor whose id script cannot see. */
  reset: unknown;
  /** Serialised events. */
  items: string[];
  state: number;
  /** Events that gave way to the bounds before it. */
  dropped: number;
}

/** States: takes events · takes none, since its id may be acknowledged already · was handed to the browser. */
const OPEN = 0;
const CLOSED = 1;
export const TRIED = 2;

const BATCH_EVENTS = 50;
const BATCH_BYTES = 47_000;
const MAX_EVENTS = 1_000;
const MAX_CHARS = 1_000_000;
const MAX_AGE = 7 * 86_400_000;
/** How long a queue stays its page's own after the last write; a hidden page may be gone, so its lease is short. */
const LEASE = 12_000;
const HIDDEN_LEASE = 2_000;
const HEARTBEAT = 5_000;

const key = `q_${shortId()}`;

let batches: Batch[] = [];
let lost = 0;
let leaseEnd = 0;
let heartbeat = 0;


export const size = (text: string) => new TextEncoder().encode(text).length;

export const parsed = (batch: Batch): TropaEvent[] => JSON.parse(`[${batch.items}]`);

export const clear = () => {
  batches = [];
  leaseEnd = 0;
  clearTimeout(heartbeat);
};

export const save = (leaving?: boolean) => {
  const hidden = leaving || document.hidden;
  const end = Date.now() + (hidden ? HIDDEN_LEASE : LEASE);
  clearTimeout(heartbeat);
  if (batches[0] && !hidden) heartbeat = setTimeout(save, HEARTBEAT);
  if (granted()) leaseEnd = write(key, batches[0] && [end, ...batches]) ? end : 0;
};

const leaseOf = (suffix: string) => read<[number, ...Batch[]]>(suffix) || [0];

/** The batches that are still this page's: after its lease ran out (hidden, cached) another may have adopted them. */
export const claimed = () => {
  if (leaseEnd && Date.now() > leaseEnd && leaseOf(key)[0] !== leaseEnd) clear();
  return batches;
};

export const keep = (wanted: (batch: Batch) => unknown) => {
  batches = batches.filter(wanted);
};

export const lose = (event: TropaEvent, code: string) => {
  lost++;
  fire('drop', event, { code });
};

/** The oldest events give way. */
const bound = () => {
  let items: string[];
  while ((items = batches.flatMap(({ items }) => items)).length > MAX_EVENTS || `${items}`.length > MAX_CHARS) {
    lose(JSON.parse(batches[0].items.shift()!), 'full');
    keep(({ items }) => items[0]);
  }
};

/** Takes over what other pages left; `later` is called for a queue whose lease still holds. */
export const adopt = (later: () => void) => {
  const now = Date.now();
  claimed();
  eachStored((other) => {
    if (other === key || !/^q_/.test(other)) return;
    const [end, ...left] = leaseOf(other);
    // A lease further away than any lease is a clock that jumped.
    if (end > now && end - now <= LEASE) return later();
    write(other);
    left.forEach((batch) => {
      if (now - batch.at < MAX_AGE) batches.unshift({ ...batch, state: batch.state | CLOSED });
      else parsed(batch).forEach((event) => lose(event, 'expired'));
    });
  });
  // The collector's answer outlives the page that asked: its cookie names the batches that were stored.
  const acknowledged = readCookie(keyOf('ack'));
  keep(({ id }) => !acknowledged.includes(id));
  bound();
  save();
};

export const halve = (batch: Batch) => {
  const items = batch.items.splice(batch.items.length / 2);
  batches.splice(batches.indexOf(batch) + 1, 0, { ...batch, id: shortId(), reset: 0, items, state: CLOSED });
  save();
};

/** How many events the batch now holds. */
export const add = (json: string, reset: unknown): number => {
  let batch = claimed()[batches.length - 1];
  if (!batch || batch.state || reset || batch.items.length >= BATCH_EVENTS || size(`${batch.items}${json}`) > BATCH_BYTES) {
    batches.push((batch = { id: shortId(), at: Date.now(), reset, items: [], state: OPEN, dropped: lost }));
    lost = 0;
  }
  batch.items.push(json);
  bound();
  save();
  return batch.items.length;
};
