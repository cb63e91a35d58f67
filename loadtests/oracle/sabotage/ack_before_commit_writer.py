"""The writer of ``ack_before_commit``."""

from __future__ import annotations

from tropa_collector.store.sqlite.writing import writer
from tropa_collector.store.sqlite.writing.submissions import Received


class _Hasty(writer.Writer):
    def _commit(self, numbered: list[tuple[int, Received]]) -> None:
        self._send(("acks", [(number, bytes(len(submission.rows))) for number, submission in numbered]))
        self._transaction.commit([submission for _, submission in numbered])


if __name__ == "__main__":
    writer.Writer = _Hasty  # type: ignore[misc] # that is the sabotage
    writer.main()
