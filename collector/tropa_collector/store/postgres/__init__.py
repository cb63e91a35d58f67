"""The store for several collectors: PostgreSQL behind the protocols of ``store/protocol.py`` (``--store postgresql://…``).

``writing`` is the side that commits, ``reading`` asks in snapshots. Both share ``connect``, the days of the log (``partitions``)
and ``session``, by which code that serves both stores asks PostgreSQL as it would ask SQLite; ``migrate`` brings the tables up to
date, ``check`` is the doctor's.
"""
