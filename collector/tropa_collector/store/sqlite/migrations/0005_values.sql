-- Identifiers by value. Follows them at a distance, as dedupe does the log: see writing/values.py. What lies behind
-- values_through_id is here, of the younger ones some.
DROP INDEX identifiers_value;
CREATE TABLE identifier_values (
  value TEXT NOT NULL, id INTEGER NOT NULL,
  PRIMARY KEY (value, id)
) WITHOUT ROWID;
INSERT INTO identifier_values SELECT value, id FROM identifiers ORDER BY 1, 2;
INSERT INTO counters SELECT 'values_through_id', coalesce(max(id), 0) FROM identifiers;
CREATE TRIGGER identifiers_renamed AFTER UPDATE OF value ON identifiers BEGIN
  DELETE FROM identifier_values WHERE value = old.value AND id = old.id;
  INSERT INTO identifier_values VALUES (new.value, new.id);
END;

-- What is asked by value is asked here. A test of value goes to the index, and to each identifier that the index may lack.
CREATE VIEW identifiers_by_value AS
  SELECT i.id, i.kind, v.value, i.contact, i.core, i.trust, i.state, i.first_seen, i.alias_of, i.shared_from,
    i.proven_shared_from, i.shared_contact, i.known_from, i.proven_known_from
  FROM identifier_values AS v CROSS JOIN identifiers AS i ON i.id = v.id
  UNION ALL
  SELECT i.id, i.kind, i.value, i.contact, i.core, i.trust, i.state, i.first_seen, i.alias_of, i.shared_from,
    i.proven_shared_from, i.shared_contact, i.known_from, i.proven_known_from
  FROM identifiers AS i WHERE i.id > (SELECT value FROM counters WHERE name = 'values_through_id')
    AND NOT EXISTS (SELECT 1 FROM identifier_values AS v WHERE v.value = i.value AND v.id = i.id);
