"""The writer of ``ack_before_commit``."""

from __future__ import annotations

from tropa_collector.store.protocol import Submission
from tropa_collector.store.sqlite.writing import writer


class _Hasty(writer.Writer):
    def _commit(self, numbered: list[tuple[int, Submission]]) -> None:
        self._send(("acks", [(number, bytes(len(submission.records))) for number, submission in numbered]))
        self._transaction.commit([submission for _, submission in numbered])


if __name__ == "__main__":
    writer.Writer = _Hasty  # type: ignore[misc] # that is the sabotage
    writer.main()
