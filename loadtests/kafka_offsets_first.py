"""A worker that commits offsets as soon as it takes a record. Caught by killing it under load."""

from functools import partial

from tropa_collector.__main__ import main
from tropa_collector.kafka.hand import Hand
from tropa_collector.kafka.worker import Worker
from tropa_collector.store.protocol import Submission


class HastyHand(Hand):
    def begin(self, partition: int, offset: int, submission: Submission) -> None:
        super().begin(partition, offset, submission)
        self._partitions[partition].offsets.stored(offset)


if __name__ == "__main__":
    from tropa_collector import work

    work.Worker = partial(Worker, hand=HastyHand)  # type: ignore[attr-defined, assignment] # that is the sabotage
    main()
