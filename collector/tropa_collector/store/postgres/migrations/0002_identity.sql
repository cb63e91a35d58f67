-- Who is who. Evidence (edges, traits) is kept apart from conclusions (identifiers.contact), so that a merge rewrites no
-- event and can be taken back. The rows are those of identity/records.py; times are UTC microseconds.
-- All of it is written under one advisory lock; the sequences hold the next free id and are set when a plan is written.

CREATE SEQUENCE identifier_ids;
CREATE SEQUENCE contact_ids;
CREATE SEQUENCE log_ids;

CREATE TABLE identifiers (
  id             bigint PRIMARY KEY,     -- never changes: events point here
  kind           text COLLATE "C" NOT NULL,
  value          text COLLATE "C" NOT NULL, -- normalised
  contact        bigint NOT NULL,
  core           bigint NOT NULL,        -- the proven group it is in, 0: only claims vouch for it
  trust          integer NOT NULL,
  state          integer NOT NULL,       -- 0 normal, 1 joins nobody, 2 quarantined, 3 erased
  first_seen     bigint NOT NULL,
  alias_of       bigint NOT NULL,
  shared_from    bigint,                 -- of devices: from then on its events are nobody's
  proven_shared_from bigint,
  shared_contact bigint NOT NULL,
  last_day       integer NOT NULL        -- days since the epoch: of the newest event it anchored, at first of first_seen
);
CREATE UNIQUE INDEX identifiers_value ON identifiers (value, kind);
CREATE INDEX identifiers_contact ON identifiers (contact, last_day, id);
CREATE INDEX identifiers_last_day ON identifiers (last_day, id);
CREATE INDEX identifiers_shared ON identifiers (shared_contact) WHERE shared_contact != 0;

CREATE TABLE contacts (
  id          bigint PRIMARY KEY,
  status      integer NOT NULL,          -- 0 live, 1 merged, 2 a shared device's, 3 erased
  merged_into bigint NOT NULL,           -- the live root, 0: itself
  first_seen  bigint NOT NULL,
  merges      integer NOT NULL,
  manual      boolean NOT NULL,
  rev         bigint NOT NULL
);
CREATE INDEX contacts_merged ON contacts (merged_into) WHERE merged_into != 0;

CREATE TABLE cores (
  id     bigint PRIMARY KEY,
  merges integer NOT NULL,
  recent text NOT NULL                   -- JSON list of times
);

CREATE TABLE edges (                     -- evidence, one row a pair of identifiers that came together
  a bigint NOT NULL, b bigint NOT NULL,
  rule integer NOT NULL, trust integer NOT NULL, source text NOT NULL,
  first_ts bigint NOT NULL, first_event text COLLATE "C" NOT NULL, last_ts bigint NOT NULL, last_event text COLLATE "C" NOT NULL,
  proven_ts bigint, proven_event text COLLATE "C" NOT NULL, proven_last_ts bigint, proven_last_event text COLLATE "C" NOT NULL,
  via bigint NOT NULL, revoked bigint NOT NULL,
  PRIMARY KEY (a, b), CHECK (a < b)
);
CREATE INDEX edges_b ON edges (b);

CREATE TABLE cannot_link (
  a bigint NOT NULL, b bigint NOT NULL,
  log bigint NOT NULL,                   -- the row of identity_log that says who parted them, when and why
  PRIMARY KEY (a, b), CHECK (a < b)
);
CREATE INDEX cannot_link_b ON cannot_link (b);

CREATE TABLE traits (                    -- one register an identifier and key; value NULL is a tombstone
  identifier bigint NOT NULL, key text COLLATE "C" NOT NULL,
  value text COLLATE "C", trust integer NOT NULL, ts bigint NOT NULL, event_id text COLLATE "C" NOT NULL, source text NOT NULL,
  first_value text COLLATE "C", first_ts bigint NOT NULL, first_event text COLLATE "C" NOT NULL,
  PRIMARY KEY (identifier, key)
);
CREATE INDEX traits_key ON traits (key);

CREATE TABLE trait_words (               -- searchable traits that are text, case-folded
  text text COLLATE "C" NOT NULL, identifier bigint NOT NULL, key text COLLATE "C" NOT NULL,
  PRIMARY KEY (text, identifier, key)
);
CREATE TABLE trait_words_keys (key text COLLATE "C" PRIMARY KEY);  -- those that trait_words holds

-- Append-only, in the order of commit: the ledger, and the feed of changes. action 'traits' is one row a batch and contact.
CREATE TABLE identity_log (
  id bigint PRIMARY KEY, at bigint NOT NULL,
  action text NOT NULL, contact bigint NOT NULL, other_contact bigint NOT NULL, a bigint NOT NULL, b bigint NOT NULL,
  reason text NOT NULL, event_id text NOT NULL, actor text NOT NULL, detail text NOT NULL, dedup_key text
);
CREATE UNIQUE INDEX identity_log_dedup ON identity_log (dedup_key) WHERE dedup_key IS NOT NULL;
CREATE INDEX identity_log_contact ON identity_log (contact) WHERE action != 'traits';
CREATE INDEX identity_log_other ON identity_log (other_contact) WHERE other_contact != 0;
CREATE FUNCTION identity_log_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'identity_log is append-only'; END $$;
CREATE TRIGGER identity_log_append_only BEFORE UPDATE OR DELETE ON identity_log
  FOR EACH STATEMENT EXECUTE FUNCTION identity_log_refuse();
