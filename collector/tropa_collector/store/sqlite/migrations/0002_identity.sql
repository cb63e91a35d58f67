-- Who is who. Evidence (edges, traits) is kept apart from conclusions (identifiers.contact), so that a merge rewrites no
-- event and can be taken back. The rows are those of identity/records.py; times are UTC microseconds.

CREATE TABLE identifiers (
  id             INTEGER PRIMARY KEY,    -- writer-assigned, never changes: events point here
  kind           TEXT NOT NULL,
  value          TEXT NOT NULL,          -- normalised
  contact        INTEGER NOT NULL,
  core           INTEGER NOT NULL,       -- the proven group it is in, 0: only claims vouch for it
  trust          INTEGER NOT NULL,
  state          INTEGER NOT NULL,       -- 0 normal, 1 joins nobody, 2 quarantined, 3 erased
  first_seen     INTEGER NOT NULL,
  alias_of       INTEGER NOT NULL,
  shared_from    INTEGER,                -- of devices: from then on its events are nobody's
  proven_shared_from INTEGER,
  shared_contact INTEGER NOT NULL,
  last_day       INTEGER NOT NULL        -- days since the epoch: of the newest event it anchored, at first of first_seen
);
CREATE UNIQUE INDEX identifiers_value ON identifiers(value, kind);  -- until 0005
CREATE INDEX identifiers_contact ON identifiers(contact);
CREATE INDEX identifiers_last_day ON identifiers(last_day);  -- who was seen last: today's grow at its right edge
CREATE INDEX identifiers_shared ON identifiers(shared_contact) WHERE shared_contact != 0;

CREATE TABLE contacts (
  id          INTEGER PRIMARY KEY,
  status      INTEGER NOT NULL,          -- 0 live, 1 merged, 2 a shared device's, 3 erased
  merged_into INTEGER NOT NULL,          -- the live root, 0: itself
  first_seen  INTEGER NOT NULL,
  merges      INTEGER NOT NULL,
  manual      INTEGER NOT NULL,
  rev         INTEGER NOT NULL
);
CREATE INDEX contacts_merged ON contacts(merged_into) WHERE merged_into != 0;

CREATE TABLE cores (
  id     INTEGER PRIMARY KEY,
  merges INTEGER NOT NULL,
  recent TEXT NOT NULL                   -- JSON list of times
);

CREATE TABLE edges (                     -- evidence, one row a pair of identifiers that came together
  a INTEGER NOT NULL, b INTEGER NOT NULL,
  rule INTEGER NOT NULL, trust INTEGER NOT NULL, source TEXT NOT NULL,
  first_ts INTEGER NOT NULL, first_event TEXT NOT NULL, last_ts INTEGER NOT NULL, last_event TEXT NOT NULL,
  proven_ts INTEGER, proven_event TEXT NOT NULL, proven_last_ts INTEGER, proven_last_event TEXT NOT NULL,
  via INTEGER NOT NULL, revoked INTEGER NOT NULL,
  PRIMARY KEY (b, a), CHECK (a < b)      -- b is the younger one: most rows go to the right edge
) WITHOUT ROWID;
CREATE INDEX edges_a ON edges(a);

CREATE TABLE cannot_link (
  a INTEGER NOT NULL, b INTEGER NOT NULL,
  log INTEGER NOT NULL,                  -- the row of identity_log that says who parted them, when and why
  PRIMARY KEY (a, b), CHECK (a < b)
) WITHOUT ROWID;
CREATE INDEX cannot_link_b ON cannot_link(b);

CREATE TABLE traits (                    -- one register an identifier and key; value NULL is a tombstone
  identifier INTEGER NOT NULL, key TEXT NOT NULL,
  value TEXT, trust INTEGER NOT NULL, ts INTEGER NOT NULL, event_id TEXT NOT NULL, source TEXT NOT NULL,
  first_value TEXT, first_ts INTEGER NOT NULL, first_event TEXT NOT NULL,
  PRIMARY KEY (identifier, key)
) WITHOUT ROWID;

CREATE TABLE trait_words (               -- searchable traits that are text, case-folded
  text TEXT NOT NULL, identifier INTEGER NOT NULL, key TEXT NOT NULL,
  PRIMARY KEY (text, identifier, key)
) WITHOUT ROWID;
CREATE TABLE trait_words_keys (key TEXT PRIMARY KEY) WITHOUT ROWID;  -- those that trait_words holds

-- Append-only, in the order of commit: the ledger, and the feed of changes. action 'traits' is one row a batch and contact.
CREATE TABLE identity_log (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL,
  action TEXT NOT NULL, contact INTEGER NOT NULL, other_contact INTEGER NOT NULL, a INTEGER NOT NULL, b INTEGER NOT NULL,
  reason TEXT NOT NULL, event_id TEXT NOT NULL, actor TEXT NOT NULL, detail TEXT NOT NULL, dedup_key TEXT
);
CREATE UNIQUE INDEX identity_log_dedup ON identity_log(dedup_key) WHERE dedup_key IS NOT NULL;
CREATE INDEX identity_log_contact ON identity_log(contact) WHERE action != 'traits';
CREATE INDEX identity_log_other ON identity_log(other_contact) WHERE other_contact != 0;
CREATE TRIGGER identity_log_no_update BEFORE UPDATE ON identity_log BEGIN SELECT RAISE(ABORT, 'identity_log is append-only'); END;
CREATE TRIGGER identity_log_no_delete BEFORE DELETE ON identity_log BEGIN SELECT RAISE(ABORT, 'identity_log is append-only'); END;

-- A contact's events. Sorted runs, appended with those of dedupe: run is the id of its first event.
CREATE TABLE timeline (
  run INTEGER NOT NULL, identifier INTEGER NOT NULL, timestamp INTEGER NOT NULL, event_id INTEGER NOT NULL,
  PRIMARY KEY (run, identifier, timestamp, event_id)
) WITHOUT ROWID;
CREATE TABLE timeline_runs (run INTEGER PRIMARY KEY);

-- Who did what, as runs like those of the timeline. deed is 47 bits of BLAKE2b over a track's event name, 0 is a touch: an
-- event that a campaign, an ad's click or another site's link brought.
CREATE TABLE deeds (
  run INTEGER NOT NULL, deed INTEGER NOT NULL, identifier INTEGER NOT NULL, timestamp INTEGER NOT NULL, event_id INTEGER NOT NULL,
  PRIMARY KEY (run, deed, identifier, timestamp, event_id)
) WITHOUT ROWID;
