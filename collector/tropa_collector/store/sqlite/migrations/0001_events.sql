-- Times are UTC microseconds since the epoch. Nothing here is indexed by a random value on the hot path.

-- The log. Ids are the order of commit; a body is the event as sent plus "enriched", packed (store/sqlite/bodies.py).
CREATE TABLE events (
  id          INTEGER PRIMARY KEY,
  identifier  INTEGER,                   -- the strongest one it carried; NULL: unattributed
  source      TEXT NOT NULL,
  trust       INTEGER NOT NULL,          -- 0 claimed, 1 signed, 2 server
  type        TEXT NOT NULL,
  name        TEXT NOT NULL,
  message_id  TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  original_at INTEGER NOT NULL,          -- 0: the sender gave no time
  timestamp   INTEGER NOT NULL,          -- original time corrected for the sender's clock
  touch       INTEGER NOT NULL,          -- 1: a campaign, an ad or another site brought it
  body        BODY BLOB NOT NULL
);
CREATE INDEX events_received_at ON events(received_at);  -- grows at its right edge

-- Follows the log at a distance of some thousand events: keys are added sorted, in slices. What lies behind
-- dedupe_through_id is here; the rest is in the writer's memory, and at start read from events.
CREATE TABLE dedupe (
  original_at INTEGER NOT NULL,
  key         INTEGER NOT NULL,          -- 64 bits of BLAKE2b over the message id, the source folded in
  event_id    INTEGER NOT NULL,
  PRIMARY KEY (original_at, key)
) WITHOUT ROWID;

CREATE TABLE quarantine (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  received_at INTEGER NOT NULL,
  source      TEXT NOT NULL,
  code        TEXT NOT NULL,
  path        TEXT NOT NULL,
  message     TEXT NOT NULL,
  message_id  TEXT NOT NULL,
  type        TEXT NOT NULL,
  name        TEXT NOT NULL,
  original    BLOB NOT NULL,
  receipt     TEXT NOT NULL
);

-- Minute roll-ups for overviews. The names of one minute are bounded; the rest is counted as "(other)".
CREATE TABLE rollups (
  minute      INTEGER NOT NULL,          -- minutes since the epoch, of receipt
  source      TEXT NOT NULL,
  type        TEXT NOT NULL,
  name        TEXT NOT NULL,
  outcome     INTEGER NOT NULL,          -- 0 stored, 1 duplicate, 2 quarantined
  count       INTEGER NOT NULL,
  PRIMARY KEY (minute, source, type, name, outcome)
) WITHOUT ROWID;

-- Figures that must outlive a process: quarantine_dropped, quarantine_bytes, events_purged.
CREATE TABLE counters (
  name        TEXT PRIMARY KEY,
  value       INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters VALUES ('quarantine_dropped', 0), ('quarantine_released', 0), ('quarantine_bytes', 0), ('events_purged', 0), ('dedupe_through_id', 0), ('probe', 0);
