"""The store for several collectors: PostgreSQL behind the protocols of ``store/protocol.py`` (``--store postgresql://…``).

``log`` takes submissions in and keeps the connections, ``transaction`` is what one group commit does, ``identity`` the resolving
inside it, ``partitions`` the days of the log, ``retention`` what goes. ``reader`` and ``contacts`` are the reading side,
``operations`` what operators ask. Code that both stores share asks a ``session`` as it would ask SQLite.
"""
