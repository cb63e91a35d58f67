"""Says 200 first and commits afterwards. Caught by killing the writer under load."""

from tropa_collector.__main__ import main
from tropa_collector.store.sqlite.writing.client import SqliteLog

if __name__ == "__main__":
    SqliteLog.writer_module = "loadtests.oracle.sabotage.ack_before_commit_writer"
    main()
