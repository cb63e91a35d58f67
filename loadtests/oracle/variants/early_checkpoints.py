"""Checkpoints after 300 KB of events instead of 8 MB: a power cut meets one as often as a commit."""

from tropa_collector.__main__ import main
from tropa_collector.store.sqlite.writing.client import SqliteLog

if __name__ == "__main__":
    SqliteLog.writer_module = "loadtests.oracle.variants.early_checkpoints_writer"
    main()
