"""What every store says of its contacts: statements that SQLite and PostgreSQL both speak, over a snapshot of either."""
