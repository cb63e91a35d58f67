-- Where the collector bounds it: a device's events from before this time are shared_contact's.
ALTER TABLE identifiers ADD COLUMN IF NOT EXISTS known_from Nullable(DateTime64(6, 'UTC')) AFTER shared_from;

CREATE OR REPLACE VIEW events_of_contacts AS
SELECT e.*, if((i.shared_from IS NOT NULL AND e.timestamp >= i.shared_from) OR (i.known_from IS NOT NULL AND e.timestamp < i.known_from),
               i.shared_contact, i.contact) AS contact
FROM events AS e FINAL
LEFT JOIN (SELECT * FROM identifiers FINAL) AS i ON i.id = e.identifier;
