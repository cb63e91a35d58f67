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
  source         TEXT NOT NULL DEFAULT '',
  last_day       INTEGER NOT NULL DEFAULT 0  -- days since the epoch, written at most once a day
);
CREATE UNIQUE INDEX identifiers_value ON identifiers(value, kind);
CREATE INDEX identifiers_contact ON identifiers(contact);
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
  PRIMARY KEY (a, b), CHECK (a < b)
) WITHOUT ROWID;
CREATE INDEX edges_b ON edges(b);

CREATE TABLE cannot_link (
  a INTEGER NOT NULL, b INTEGER NOT NULL,
  PRIMARY KEY (a, b), CHECK (a < b)
) WITHOUT ROWID;
CREATE INDEX cannot_link_b ON cannot_link(b);

CREATE TABLE traits (                    -- one register an identifier and key; value NULL is a tombstone
  identifier INTEGER NOT NULL, key TEXT NOT NULL,
  value TEXT, trust INTEGER NOT NULL, ts INTEGER NOT NULL, event_id TEXT NOT NULL, source TEXT NOT NULL,
  first_value TEXT, first_ts INTEGER NOT NULL, first_event TEXT NOT NULL,
  PRIMARY KEY (identifier, key)
) WITHOUT ROWID;

CREATE TABLE identity_log (              -- append-only
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL,
  action TEXT NOT NULL, contact INTEGER NOT NULL, other_contact INTEGER NOT NULL, a INTEGER NOT NULL, b INTEGER NOT NULL,
  reason TEXT NOT NULL, event_id TEXT NOT NULL, actor TEXT NOT NULL, detail TEXT NOT NULL, dedup_key TEXT
);
CREATE UNIQUE INDEX identity_log_dedup ON identity_log(dedup_key) WHERE dedup_key IS NOT NULL;
CREATE INDEX identity_log_contact ON identity_log(contact);
CREATE INDEX identity_log_other ON identity_log(other_contact) WHERE other_contact != 0;
CREATE TRIGGER identity_log_no_update BEFORE UPDATE ON identity_log BEGIN SELECT RAISE(ABORT, 'identity_log is append-only'); END;
CREATE TRIGGER identity_log_no_delete BEFORE DELETE ON identity_log BEGIN SELECT RAISE(ABORT, 'identity_log is append-only'); END;

-- A contact's events. Sorted runs, appended with those of dedupe: run is the id of its first event.
CREATE TABLE timeline (
  run INTEGER NOT NULL, identifier INTEGER NOT NULL, timestamp INTEGER NOT NULL, event_id INTEGER NOT NULL,
  PRIMARY KEY (run, identifier, timestamp, event_id)
) WITHOUT ROWID;
CREATE TABLE timeline_runs (run INTEGER PRIMARY KEY);
