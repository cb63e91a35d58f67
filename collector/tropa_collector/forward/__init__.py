"""Forwarding: each destination follows the stored log from a cursor of its own. No copy of an event is made for one.

    declared      declared.py      tropa.toml's [destinations.NAME] → options, checked
    follow        runner.py        cursor → the log → choose.py (filters, consent) → mapping.py → a batch
    deliver       destination.py   the seam; jsonl, parquet, webhook, relay, clickhouse: one file each
    keep up       cursor.py, dead_letters.py
    apart         process.py       all destinations live in one process beside the collector; supervisor.py is the collector's end
    again         backfill.py      ``tropa forward NAME --since …``

A new destination is a file with a class beside and a line in ``declared.DESTINATIONS``.
"""
