import { granted } from './consent';
import { shortId } from './ids';
import { fire } from './listeners';
import { keyOf, settings } from './settings';
import { eachStored, read, readCookie, write } from './storage';
import type { TropaEvent } from './types';

// The events of this page instance, mirrored to one storage key that nobody else writes: the end of its lease,
// then its batches. Pages that find a key whose lease ran out adopt its batches.

/** Events that leave together, in the order they were made. Properties that end in _ are mangled by the build. */
export interface Batch {
  id_: string;
  /** When it was begun, ms. */
  at_: number;
  /** Its first event begins a new visitor whose id script cannot see. */
  reset_: unknown;
  /** Serialised events. */
  items_: string[];
  stage_: number;
  /** Events that gave way to the bounds before it. */
  lost_: number;
}

/** Stages: takes events · takes none, since its id may be acknowledged already · was handed to the browser. */
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
export const HIDDEN_LEASE = 2_000;
const HEARTBEAT = 5_000;

const encoder = new TextEncoder();
const instance = shortId();

let batches: Batch[] = [];
let lost = 0;
let leaseEnd = 0;
let heartbeat = 0;

const key = () => `q_${settings.writeKey}_${instance}`;

export const size = (text: string) => encoder.encode(text).length;

export const parsed = (batch: Batch): TropaEvent[] => JSON.parse(`[${batch.items_}]`);

/** As it is stored: a name that the build mangles would not survive the next version. */
type Row = [id: string, at: number, reset: unknown, items: string[]];

export const clear = () => {
  batches = [];
  leaseEnd = 0;
  clearTimeout(heartbeat);
};

export const save = () => {
  const { hidden } = document;
  const end = Date.now() + (hidden ? HIDDEN_LEASE : LEASE);
  const rows = batches.map(({ id_, at_, reset_, items_ }): Row => [id_, at_, reset_, items_]);
  clearTimeout(heartbeat);
  if (rows[0] && !hidden) heartbeat = setTimeout(save, HEARTBEAT);
  if (granted()) leaseEnd = write(key(), rows[0] && [end, ...rows]) && rows[0] ? end : 0;
};

const leaseOf = (suffix: string) => read<[number, ...Row[]]>(suffix) || [0];

/** The batches that are still this page's: after the lease ran out (hidden tab, back from the cache) another may have adopted them. */
export const claimed = () => {
  if (leaseEnd && Date.now() > leaseEnd && leaseOf(key())[0] !== leaseEnd) clear();
  return batches;
};

const keep = (wanted: (batch: Batch) => unknown) => {
  batches = batches.filter(wanted);
};

export const lose = (event: TropaEvent, code: string) => {
  lost++;
  fire('drop', event, { code });
};

/** The oldest events give way. */
const bound = () => {
  let items: string[];
  while ((items = batches.flatMap(({ items_ }) => items_)).length > MAX_EVENTS || `${items}`.length > MAX_CHARS) {
    lose(JSON.parse(batches[0].items_.shift()!), 'full');
    keep(({ items_ }) => items_[0]);
  }
};

/** Takes over what other pages left. Milliseconds until the next lease of a queue that is not free yet, 0 without one. */
export const adopt = (): number => {
  const now = Date.now();
  let next = 0;
  claimed();
  eachStored((other) => {
    if (other === key() || !other.startsWith(key().slice(0, -instance.length))) return;
    const [end, ...rows] = leaseOf(other);
    const left = end - now;
    // A lease further away than any lease is a clock that jumped.
    if (left > 0 && left <= LEASE) return (next = Math.min(next || left, left));
    write(other);
    rows.forEach(([id_, at_, reset_, items_]) => batches.push({ id_, at_, reset_, items_, stage_: CLOSED, lost_: 0 }));
  });
  batches.sort((a, b) => a.at_ - b.at_);
  // The collector's answer outlives the page that asked: its cookie names the batches that were stored.
  const acknowledged = readCookie(keyOf('ack'));
  keep((batch) => {
    if (batch.stage_ !== CLOSED || now - batch.at_ < MAX_AGE) return !acknowledged.includes(batch.id_);
    parsed(batch).forEach((event) => lose(event, 'expired'));
  });
  bound();
  save();
  return next;
};

export const remove = (batch: Batch) => {
  keep((other) => other !== batch);
  save();
};

export const halve = (batch: Batch) => {
  const items_ = batch.items_.splice(batch.items_.length / 2);
  batches.splice(batches.indexOf(batch) + 1, 0, { ...batch, id_: shortId(), reset_: 0, items_, stage_: CLOSED });
  save();
};

/** How many events the batch now holds. */
export const add = (json: string, reset_: unknown): number => {
  let batch = claimed()[batches.length - 1];
  if (!batch || batch.stage_ || reset_ || batch.items_.length >= BATCH_EVENTS || size(`${batch.items_}${json}`) > BATCH_BYTES) {
    batches.push((batch = { id_: shortId(), at_: Date.now(), reset_, items_: [], stage_: OPEN, lost_: lost }));
    lost = 0;
  }
  batch.items_.push(json);
  bound();
  save();
  return batch.items_.length;
};
