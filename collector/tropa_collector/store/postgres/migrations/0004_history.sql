-- Where history_from bounds it, a device's events from before these times are its shared_contact's: see identity/planner/history.py.
ALTER TABLE identifiers ADD COLUMN known_from bigint, ADD COLUMN proven_known_from bigint;

-- The rules that contacts were made by, for whoever reads them: JSON of identity/policy.py.
CREATE TABLE identity_policy (id integer PRIMARY KEY CHECK (id = 1), policy text NOT NULL);
