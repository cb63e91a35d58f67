"""Who sent this event? Identifiers out of an event, contacts out of identifiers: pure functions, no I/O."""
