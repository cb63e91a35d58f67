"""The ends and the forks of a process, for every sender in it.

A normal exit runs ``atexit``. Children of multiprocessing and of celery leave by ``os._exit`` and run their own hooks
instead. SIGTERM's default action runs nothing at all, so it is replaced, and only it: a host's own handler stays.
"""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import sys
import threading
import time
from logging import getLogger
from types import FrameType
from typing import Protocol

log = getLogger("tropa")


class Stoppable(Protocol):
    @property
    def exit_seconds(self) -> float: ...

    def finish(self, timeout: float) -> None: ...

    def busy(self) -> bool: ...

    def begin_in_child(self) -> None: ...


class _Process:
    """What is known of this process; a forked child begins anew."""

    watched = False
    finalized = False
    terminate_by: float | None = None


_senders: set[Stoppable] = set()
_process = _Process()


def register(sender: Stoppable) -> None:
    _senders.add(sender)


def forget(sender: Stoppable) -> None:
    _senders.discard(sender)


def flush_all(seconds: float | None = None) -> None:
    """Flush every sender, each within its own exit time and all within ``seconds``."""
    began = time.monotonic()
    for sender in tuple(_senders):
        spent = time.monotonic() - began
        budget = sender.exit_seconds if seconds is None else min(sender.exit_seconds, seconds)
        try:
            sender.finish(max(0.0, budget - spent))
        except Exception:  # the process is ending; the next sender still has its turn
            log.exception("a flush at the end of the process failed")


def watch_process_end() -> None:
    """Hook the ways this process can end. Cheap when done already."""
    if _process.watched:
        return
    _process.watched = True
    _watch_multiprocessing()
    _watch_celery()


def _watch_multiprocessing() -> None:
    """Its children leave by ``os._exit`` after their finalizers, and forget finalizers that were there before."""
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is None or util is None:
        return
    util.register_after_fork(_process, _finalize_child)
    if process.parent_process() is not None:
        _finalize_child(_process)


def _finalize_child(process: _Process) -> None:
    if not process.finalized:
        process.finalized = True
        sys.modules["multiprocessing.util"].Finalize(None, flush_all, exitpriority=-100)


def _watch_celery() -> None:
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        signals.worker_process_shutdown.connect(_celery_child_ends, weak=False, dispatch_uid="tropa")


def _celery_child_ends(**_: object) -> None:
    flush_all()


def replace_default_sigterm() -> None:
    """Deliver, then die of SIGTERM as before. Only if nobody else handles it, and only from the main thread."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(_number: int, _frame: FrameType | None) -> None:
    now = time.monotonic()
    if _process.terminate_by is None:  # a second signal, or a handler called again, shares the first one's time
        _process.terminate_by = now + max((sender.exit_seconds for sender in tuple(_senders)), default=0.0)
    if now < _process.terminate_by and any(sender.busy() for sender in tuple(_senders)):
        # The interrupted code may hold a lock that the flush needs: let it go on, and come back.
        _thread.start_new_thread(_signal_again, ())
        return
    flush_all(_process.terminate_by - now)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
    if os.getpid() == 1:  # a container's first process, whom the kernel spares the default action (pid_namespaces(7))
        os._exit(128 + signal.SIGTERM)


def _signal_again() -> None:
    time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGTERM)


def _begin_in_child() -> None:
    _process.watched, _process.finalized, _process.terminate_by = False, False, None
    for sender in tuple(_senders):
        sender.begin_in_child()


# At import: what was registered first runs last, so events of the host's own exit handlers are still delivered.
atexit.register(flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
