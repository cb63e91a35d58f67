-- Times are UTC microseconds since the epoch. Text that is ordered or searched by its beginning compares byte by byte ("C").

-- The log, partitioned by day of receipt; a day's table is made when it is first needed (partitions.py) and dropped by retention.
-- A body is the event as sent plus "enriched".
CREATE SEQUENCE event_ids;
CREATE TABLE events (
  id          bigint NOT NULL DEFAULT nextval('event_ids'),
  identifier  bigint,                    -- the strongest one it carried; NULL: unattributed
  source      text COLLATE "C" NOT NULL,
  trust       integer NOT NULL,          -- 0 claimed, 1 signed, 2 server
  type        text COLLATE "C" NOT NULL,
  name        text COLLATE "C" NOT NULL,
  message_id  text COLLATE "C" NOT NULL,
  received_at bigint NOT NULL,
  original_at bigint NOT NULL,           -- 0: the sender gave no time
  timestamp   bigint NOT NULL,           -- original time corrected for the sender's clock
  touch       boolean NOT NULL,          -- a campaign, an ad's click or another site's link brought it
  body        text COLLATE "C" NOT NULL
) PARTITION BY RANGE (received_at);
CREATE INDEX events_id ON events (id);
CREATE INDEX events_received_at ON events (received_at, id);
CREATE INDEX events_message_id ON events USING hash (message_id);
CREATE INDEX events_timeline ON events (identifier, timestamp, id) WHERE identifier IS NOT NULL;
CREATE INDEX events_deeds ON events (name, identifier, timestamp) WHERE type = 'track' AND identifier IS NOT NULL;
CREATE INDEX events_touches ON events (identifier, timestamp, id) WHERE touch;

-- How many events a day's table holds. A connection counts in a row of its own, so that no commit waits for another's.
CREATE TABLE days (
  day     integer NOT NULL,              -- days since the epoch
  backend integer NOT NULL,
  events  bigint NOT NULL,
  PRIMARY KEY (day, backend)
);

-- A unique index cannot span partitions, and a retry is received on another day: the keys have a table and a life of their own.
CREATE TABLE dedupe (
  original_at bigint NOT NULL,
  key         bigint NOT NULL,           -- 64 bits of BLAKE2b over the message id, the source folded in
  received_at bigint NOT NULL,
  PRIMARY KEY (original_at, key)
);
CREATE INDEX dedupe_received_at ON dedupe USING brin (received_at);

CREATE TABLE quarantine (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source      text NOT NULL,
  received_at bigint NOT NULL,
  type        text NOT NULL,
  name        text NOT NULL,
  code        text NOT NULL,
  path        text NOT NULL,
  message     text NOT NULL,
  message_id  text NOT NULL,
  original    bytea NOT NULL,
  receipt     text NOT NULL
);

-- Minute roll-ups for overviews. The names of one minute are bounded; the rest is counted as "(other)".
CREATE TABLE rollups (
  minute  bigint NOT NULL,               -- minutes since the epoch, of receipt
  source  text COLLATE "C" NOT NULL,
  type    text COLLATE "C" NOT NULL,
  name    text COLLATE "C" NOT NULL,
  outcome integer NOT NULL,              -- 0 stored, 1 duplicate, 2 quarantined
  backend integer NOT NULL,
  count   bigint NOT NULL,
  PRIMARY KEY (minute, source, type, name, outcome, backend)
);

CREATE TABLE counters (name text PRIMARY KEY, value bigint NOT NULL);
INSERT INTO counters VALUES ('quarantine_dropped', 0), ('quarantine_released', 0), ('quarantine_bytes', 0), ('events_purged', 0);

-- Ids are taken in one order and committed in another. A commit therefore holds a shared lock that names the newest id of the moment
-- before it took its own; whoever follows the log reads up to log_through() in a later statement, and never misses an event.
CREATE FUNCTION newest_event_id() RETURNS bigint LANGUAGE sql AS $$
  SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM event_ids
$$;
CREATE FUNCTION take_part_in_log() RETURNS void LANGUAGE sql AS $$
  SELECT pg_advisory_xact_lock_shared(1414680400, (newest_event_id() & 2147483647)::integer)
$$;
CREATE FUNCTION log_through() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE newest bigint := newest_event_id();  -- first this, then the locks: what was taken by now is either locked or decided
BEGIN
  RETURN (
    SELECT newest - coalesce(max(((newest & 2147483647) - objid::bigint + 2147483648) % 2147483648), 0)
      FROM pg_locks WHERE locktype = 'advisory' AND classid = 1414680400 AND objsubid = 2 AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database()));
END $$;
