"""The collector's end of the forwarding process: start it, keep its last report, pass an operator's wishes on, start it again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tropa_collector.child import Channel, start_child
from tropa_collector.errors import NotFound, StoreError, Unavailable
from tropa_collector.forward.cursor import Cursor
from tropa_collector.forward.dead_letters import DeadLetter, read_dead_letters
from tropa_collector.forward.declared import declared
from tropa_collector.forward.destination import STREAMS
from tropa_collector.forward.feed import feed_of
from tropa_collector.forward.figures import state_unheard
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import Stream

logger = logging.getLogger("tropa.forward")

RESTART_SECONDS: Final = 0.2
LONGEST_RESTART_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 5.0


class Forwarders:
    """The destinations of one collector. Without any, nothing is started and every list is empty."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._data: Path = settings.data
        self._tables = settings.destinations
        self._declared = {one.name: one for one in declared(self._tables)}
        self._begin: Mapping[Stream, int] = {}  # where a new destination begins: what was there before this collector
        self._states: dict[str, dict[str, Any]] = {}
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._channel: Channel | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    # -- what the admin API sees

    def states(self) -> list[dict[str, Any]]:
        """Every declared destination with its lag and figures, as last reported."""
        return [self._states.get(one.name) or state_unheard(one, "starting") for one in self._declared.values()]

    async def ask(self, question: str, name: str) -> dict[str, Any]:
        """``pause``, ``resume`` or ``replay`` a destination; its state after that.

        Raises:
            NotFound: there is none of this name.
            Unavailable: the forwarding process is being started.
        """
        self._expect(name)
        if self._channel is None:
            raise Unavailable("The forwarding process is being started.", retry_after_seconds=1)
        self._number += 1
        number = self._number
        self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._channel.send(("ask", number, question, name))
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._asked[number]
        except TimeoutError:
            raise Unavailable("The forwarding process did not answer in time.", retry_after_seconds=1) from None
        finally:
            del self._asked[number]
        self._states[name] = {key: value for key, value in answer.items() if key != "replaying"}
        return answer

    def dead_letters(self, name: str) -> list[DeadLetter]:
        """What the destination refused for good, the oldest first.

        Raises:
            NotFound: there is none of this name.
        """
        self._expect(name)
        return read_dead_letters(self._data / "destinations" / name / "dead-letters.jsonl")

    def _expect(self, name: str) -> None:
        if name not in self._declared:
            raise NotFound(f"There is no destination {name[:80]!r}.")

    # -- the process

    async def start(self) -> None:
        """Start it. What a new destination begins behind is settled here, before any listener is open."""
        if not self._declared:
            return
        feed = feed_of(self._settings.store, self._data)
        self._begin = {stream: await feed.head(stream) for stream in STREAMS}
        await feed.stop()
        await asyncio.to_thread(self._keep_behind_the_log)
        self._supervisor = asyncio.create_task(self._supervise(), name="forwarding supervisor")

    def _keep_behind_the_log(self) -> None:
        """While nothing can arrive: once it does, a cursor that was ahead of the log looks as if it had passed what is new."""
        for name in self._declared:
            with contextlib.suppress(StoreError):  # a damaged one: its destination says so
                cursor = Cursor.load(self._data / "destinations" / name / "cursor.json")
                if cursor.begin_anew_behind(self._begin):
                    logger.warning("destination %s is ahead of the log, which was put back: it goes on at the end", name)
                    cursor.save()

    async def _supervise(self) -> None:
        delay = RESTART_SECONDS
        while True:
            started = asyncio.get_running_loop().time()
            try:
                fault = f"ended with {await self._run_one()}"
            except OSError as error:
                fault = f"does not start: {error}"
            if self._stopping:
                return
            logger.error("the forwarding process %s", fault)
            lived = asyncio.get_running_loop().time() - started
            delay = RESTART_SECONDS if lived > LONGEST_RESTART_SECONDS else min(2 * delay, LONGEST_RESTART_SECONDS)
            await asyncio.sleep(delay)

    async def _run_one(self) -> int:
        """Run one process to its end; its exit status."""
        channel = Channel(self._on_message)
        self._process = await start_child("tropa_collector.forward.process", channel=channel)
        # Through the socket, not the command line: tables hold secrets.
        channel.send(("start", {"data": str(self._data), "destinations": self._tables, "begin": dict(self._begin),
                                "store": self._settings.store, "log_format": self._settings.log_format}))  # fmt: skip
        self._channel = channel
        if self._stopping:
            channel.close()
        code = await self._process.wait()
        self._channel = None
        channel.close()
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(Unavailable("The forwarding process is being started.", retry_after_seconds=1))
        return code

    def _on_message(self, message: tuple[Any, ...]) -> None:
        if message[0] == "states":
            self._states = {state["name"]: state for state in message[1]}
        elif (waiting := self._asked.get(message[1])) is not None and not waiting.done():
            waiting.set_result(message[2])

    async def stop(self, *, seconds: float) -> None:
        """Let each destination finish what it is sending, for at most so long; what was not sent is sent after the next start."""
        self._stopping = True
        if self._supervisor is None:
            return
        if self._channel is None:
            self._supervisor.cancel()  # it waits to start the next one
        else:
            self._channel.send(("stop", 0.5 * seconds))
        done, _ = await asyncio.wait([self._supervisor], timeout=seconds)
        if not done:
            logger.error("the forwarding process did not end in time")
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor], timeout=1.0)
