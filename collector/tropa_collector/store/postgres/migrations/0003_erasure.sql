-- Erased identifiers keep their row, with a keyed hash for a value, so that they stay refused and the ledger stays valid.
CREATE INDEX identifiers_erased ON identifiers (value) WHERE state = 3;
-- The key of those hashes, made by the first erasure. It is worth a secret's care: with it, and only with it, an erased phone can
-- be found again by trying all phones. pg_dump --exclude-table-data=erasure_key leaves it out; keep it elsewhere then.
CREATE TABLE erasure_key (id integer PRIMARY KEY CHECK (id = 1), key bytea NOT NULL);
INSERT INTO counters VALUES ('events_erased', 0), ('erased_refused', 0), ('erasures', 0);
-- As SQLite has it: what finds an erased person's texts is one statement for both.
CREATE FUNCTION text_of(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT $1';
CREATE FUNCTION instr(text, text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT strpos($1, $2)';
