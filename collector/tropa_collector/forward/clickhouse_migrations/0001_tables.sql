-- The same event may come twice (at least once, from anywhere): the row's key is what makes two events the same, and FINAL or the
-- merge in the background keeps one. No contact is baked in: it is resolved at read, so a merge rewrites no event.
CREATE TABLE IF NOT EXISTS events (
  position     UInt64,                          -- in the collector's log
  received_at  DateTime64(6, 'UTC'),
  timestamp    DateTime64(6, 'UTC'),
  original_at  DateTime64(6, 'UTC'),            -- 1970: the sender gave no time
  type         LowCardinality(String),
  name         LowCardinality(String),
  source       LowCardinality(String),
  trust        LowCardinality(String),
  message_id   String,
  anonymous_id String,
  user_id      String,
  identifier   UInt64,                          -- what it is anchored on; 0: nobody
  country      LowCardinality(String),
  bot          Bool,
  body         String CODEC(ZSTD(3))            -- the whole event, JSON
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (type, name, received_at, source, message_id, original_at)
SETTINGS non_replicated_deduplication_window = 1000;

-- The dimension by which contacts are resolved: a row of a higher version takes the place of a lower one.
CREATE TABLE IF NOT EXISTS identifiers (
  id             UInt64,
  kind           LowCardinality(String),
  value          String,
  contact        UInt64,
  shared_from    Nullable(DateTime64(6, 'UTC')), -- of devices: from then on its events are shared_contact's
  shared_contact UInt64,
  version        UInt64
) ENGINE = ReplacingMergeTree(version)
ORDER BY id;

-- What became of contacts: linked, merged, split, released, erased, traits.
CREATE TABLE IF NOT EXISTS changes (
  position      UInt64,
  at            DateTime64(6, 'UTC'),
  type          LowCardinality(String),
  contact       UInt64,
  other_contact UInt64,
  body          String CODEC(ZSTD(3))
) ENGINE = ReplacingMergeTree
ORDER BY (at, position)
SETTINGS non_replicated_deduplication_window = 1000;

-- Whose each event is, as it is known now.
CREATE VIEW IF NOT EXISTS events_of_contacts AS
SELECT e.*, if(i.shared_from IS NOT NULL AND e.timestamp >= i.shared_from, i.shared_contact, i.contact) AS contact
FROM events AS e FINAL
LEFT JOIN (SELECT * FROM identifiers FINAL) AS i ON i.id = e.identifier;
