"""The forwarding process: every destination of one collector, beside it, so that nothing they do holds up its event loop.

    python -m tropa_collector.forward.process SOCKET_FD

Started and supervised by ``supervisor.Forwarders``, which sends a ``start`` frame first and questions later. It ends when the
socket closes or a ``stop`` comes, after making safe what its destinations have taken.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from tropa_collector import logs
from tropa_collector.errors import TropaError
from tropa_collector.forward.cursor import Cursor
from tropa_collector.forward.dead_letters import DeadLetters
from tropa_collector.forward.declared import Declared, declared
from tropa_collector.forward.destination import STREAMS, Surroundings
from tropa_collector.forward.feed import feed_of
from tropa_collector.forward.figures import LAG_UNKNOWN, state_unheard
from tropa_collector.forward.runner import Runner
from tropa_collector.frames import Frames, encode
from tropa_collector.store.protocol import LogFeed, Stream

logger = logging.getLogger("tropa.forward")

POLL_SECONDS: Final = 0.2
REPORT_SECONDS: Final = 1.0
_NICE: Final = 5  # visitors' events come first
_RECEIVE_BYTES: Final = 1 << 16


def directory_of(data: Path, name: str) -> Path:
    """Where a destination's cursor and dead letters are."""
    return data / "destinations" / name


def runner_of(one: Declared, feed: LogFeed, data: Path) -> Runner:
    """The live runner of a destination."""
    home = directory_of(data, one.name)
    letters = DeadLetters(home / "dead-letters.jsonl", one.options.dead_letter_bytes)
    return Runner(one, feed, Cursor.load(home / "cursor.json"), letters, Surroundings(one.name))


def locked(data: Path) -> int:
    """Hold the directory's destinations, once a predecessor that still ends has let go. The lock goes with the process.

    No destination's name begins with a full stop.
    """
    (data / "destinations").mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data / "destinations" / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


class Process:
    """All runners of one collector."""

    def __init__(self, channel: socket.socket, started: Mapping[str, Any], frames: Frames) -> None:
        self._channel = channel
        self._frames = frames
        self._begin = cast("Mapping[Stream, int]", started["begin"])
        data = Path(started["data"])
        locked(data)
        self._feed = feed_of(started["store"], data)
        self._runners: dict[str, Runner] = {}
        self._broken: dict[str, dict[str, Any]] = {}
        for one in declared(started["destinations"]):
            self._make(one, data)
        self._stop_seconds = 1.0
        self._sending = asyncio.Lock()  # a report and an answer must not mix

    def _make(self, one: Declared, data: Path) -> None:
        """One whose cursor is damaged waits for the operator; its neighbours do not."""
        try:
            self._runners[one.name] = runner_of(one, self._feed, data)
        except (TropaError, OSError) as error:
            logger.error("destination %s cannot begin: %s", one.name, error)
            self._broken[one.name] = state_unheard(one, "failing", str(error))

    async def run(self, questions: list[tuple[Any, ...]]) -> None:
        """Until the collector goes or says so. ``questions`` came together with the start."""
        tasks = [asyncio.create_task(self._drive(runner), name=name) for name, runner in self._runners.items()]
        beside = [asyncio.create_task(work()) for work in (self._watch, self._report)]
        await self._listen(questions)
        for runner in self._runners.values():
            runner.finish()
        for task in beside:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._stop_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(runner.stop() for runner in self._runners.values()), return_exceptions=True)
        await self._feed.stop()

    async def _drive(self, runner: Runner) -> None:
        """A destination that cannot even begin is tried again, and is no trouble to its neighbours."""
        while True:
            try:
                await runner.start(await self._heads(), begin=self._begin)
                break
            except Exception as error:  # noqa: BLE001 - the forwarder loop's boundary: the runner logs it
                runner.could_not_start(error)
                await asyncio.sleep(5)
        await runner.run()

    async def _heads(self) -> dict[Stream, int]:
        return {stream: await self._feed.head(stream) for stream in STREAMS}

    async def _watch(self) -> None:
        while True:
            try:
                heads = await self._heads()
                for runner in self._runners.values():
                    runner.wake(heads)
            except Exception:  # the forwarder loop's boundary: the file may be away for a moment
                logger.exception("the log cannot be read")
            await asyncio.sleep(POLL_SECONDS)

    async def _report(self) -> None:
        while True:
            states = [await self._state(runner) for runner in self._runners.values()]
            await self._send(("states", [*states, *self._broken.values()]))
            await asyncio.sleep(REPORT_SECONDS)

    async def _state(self, runner: Runner) -> dict[str, Any]:
        try:
            lag: Mapping[str, float | None] = await runner.lag()
        except Exception:  # the forwarder loop's boundary
            logger.exception("the lag of destination %s is not known", runner.declared.name)
            lag = LAG_UNKNOWN
        return {**runner.state(), **lag}

    async def _listen(self, messages: list[tuple[Any, ...]]) -> None:
        """Answer questions until the socket ends or ``stop`` comes."""
        loop = asyncio.get_running_loop()
        while True:
            for message in messages:
                if message[0] == "stop":
                    self._stop_seconds = message[1]
                    return
                await self._answer(*message[1:])
            data = await loop.sock_recv(self._channel, _RECEIVE_BYTES)
            if not data:
                return
            messages = list(self._frames.feed(data))

    async def _answer(self, number: int, question: str, name: str) -> None:
        if name in self._broken:
            await self._send(("answer", number, {**self._broken[name], "replaying": 0}))
            return
        runner = self._runners[name]
        if question == "pause":
            await runner.pause()
        elif question == "resume":
            await runner.resume()
        replayed = runner.replay() if question == "replay" else 0
        await self._send(("answer", number, await self._state(runner) | {"replaying": replayed}))

    async def _send(self, message: tuple[Any, ...]) -> None:
        try:
            async with self._sending:
                await asyncio.get_running_loop().sock_sendall(self._channel, encode(message))
        except OSError:
            logger.debug("the collector is gone")


def main() -> None:
    for signal_ in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_, signal.SIG_IGN)  # the collector commits first and then says stop
    channel = socket.socket(fileno=int(sys.argv[1]))
    frames = Frames()
    messages: list[tuple[Any, ...]] = []
    while not messages:
        data = channel.recv(_RECEIVE_BYTES)
        if not data:
            return
        messages += frames.feed(data)
    (_, started), *questions = messages
    logs.configure(started["log_format"])
    os.nice(_NICE)
    channel.setblocking(False)
    try:
        asyncio.run(_run(channel, started, frames, questions))
    except TropaError as error:
        logger.error("destinations do not start: %s", error)
        sys.exit(1)


async def _run(channel: socket.socket, started: Mapping[str, Any], frames: Frames, questions: list[tuple[Any, ...]]) -> None:
    await Process(channel, started, frames).run(questions)


if __name__ == "__main__":
    main()
