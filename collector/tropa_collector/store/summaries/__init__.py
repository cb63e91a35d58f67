"""What every store tells the console: statements that SQLite and PostgreSQL both speak, over a snapshot of either.

None walks the events from end to end: sums come from the minute roll-ups, the rest from a bounded number of the newest rows.
"""
