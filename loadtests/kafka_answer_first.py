"""A collector that answers before the brokers have reported the delivery. Caught by killing or freezing brokers under load."""

from collections.abc import Sequence

from tropa_collector.__main__ import main
from tropa_collector.kafka.log import KafkaLog
from tropa_collector.store.protocol import Submission


class _Hasty(KafkaLog):
    async def commit(self, submission: Submission) -> Sequence[int]:
        records = len(submission.records)
        self._send(submission).add_done_callback(lambda sent: sent.exception())  # nobody asks
        return bytes(records)


if __name__ == "__main__":
    from tropa_collector import stateless

    stateless.KafkaLog = _Hasty  # type: ignore[attr-defined] # that is the sabotage
    main()
