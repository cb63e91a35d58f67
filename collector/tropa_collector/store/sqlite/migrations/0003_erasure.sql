-- Erased identifiers keep their row, with a keyed hash for a value, so that they stay refused and the ledger stays valid.
CREATE INDEX identifiers_erased ON identifiers(value) WHERE state = 3;
INSERT INTO counters VALUES ('events_erased', 0), ('erased_refused', 0);
