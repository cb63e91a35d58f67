"""The sender: one thread, started by the first event, that takes batches from the queue until each has an end.

Where threads cannot run, the same steps are taken by the calling thread (``sync_mode``, uWSGI without threads, the last
moments of an interpreter).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from logging import getLogger

from tropa import lifecycle
from tropa.delivery import Delivery
from tropa.options import Options
from tropa.queue import Queue
from tropa.report import DeliveryReport
from tropa.schedule import Schedule

log = getLogger("tropa")

_PAUSE_AFTER_A_BUG = 5.0


class Sender:
    """Accepts encoded events, delivers them, and can always say how many are where."""

    def __init__(
        self, options: Options, new_queue: Callable[[], Queue], new_delivery: Callable[[], Delivery], *, threaded: bool
    ) -> None:
        self._options, self._new_queue, self._new_delivery = options, new_queue, new_delivery
        self._threaded = threaded and _threads_can_run()
        self._refusing = self._ended = self._released = False
        self._begin()
        lifecycle.register(self)

    def _begin(self) -> None:
        """The state of one process: made at construction, and again in a forked child."""
        # Guards the queue and everything below. Re-entrant: the host's finalizers and signal handlers may track, too, and
        # they run wherever this thread happens to be.
        self._changed = threading.Condition(threading.RLock())
        self._working = threading.Lock()  # one thread at a time takes and delivers
        self._worker: int | None = None  # which one
        self._adopting = threading.Lock()
        self._queue, self._delivery = self._new_queue(), self._new_delivery()
        self._thread: threading.Thread | None = None
        self._accepted = self._adopted = self._loaded = self._settled = self._dropped = 0
        self._next_scan_at = 0.0
        self._schedule = Schedule(self._options.batch_age_seconds, self._options.request_seconds)

    @property
    def exit_seconds(self) -> float:
        return self._options.exit_seconds

    # -- called by the host's threads

    def accept(self, event: bytes) -> bool:
        """Queue one event. False: it was dropped, and counted."""
        if self._refusing:
            self.drop("the client was shut down")
            return False
        try:
            with self._changed:
                taken, idle = self._put(event), self._thread is None
        except OSError as error:
            self.drop(f"the spool cannot be written: {error}")
            return False
        if not taken:
            self.drop("the queue is full")
        elif idle:
            self._start()
            if not self._threaded:
                self._send_now()
        return taken

    def drop(self, reason: str) -> None:
        """Count an event that is not accepted. Logged outside of the lock: the host's log handlers may track, too."""
        with self._changed:
            self._dropped += 1
            dropped = self._dropped
        if dropped & (dropped - 1) == 0:  # 1, 2, 4, 8 …: an outage must not flood the log
            log.warning("%d events dropped so far, this one because %s", dropped, reason)

    def flush(self, timeout: float) -> DeliveryReport:
        """Wait until everything accepted before this call has an end, at most ``timeout`` seconds."""
        if threading.current_thread() is self._thread or self._worker == threading.get_ident():
            return self.report()  # on_error flushes, or tracks where no thread runs: nobody can wait for himself
        deadline = time.monotonic() + timeout
        self._adopt_orphans(timeout)
        with self._changed:
            target = self._accepted + self._adopted
            self._schedule.flushing.append(deadline)
            self._changed.notify_all()
        try:
            if target > self._settled:
                self._start()
            while self._settled < target and not self._ended and time.monotonic() < deadline:
                self._wait_or_work(deadline)
        finally:
            with self._changed:
                self._schedule.flushing.remove(deadline)
        return self.report()

    def shutdown(self, timeout: float) -> DeliveryReport:
        """Refuse new events → flush → end the thread → close the queue. What a spool still holds stays on disk."""
        deadline = time.monotonic() + timeout
        self._refusing = True
        self.flush(timeout)
        with self._changed:
            self._ended = True
            thread = self._thread
            self._changed.notify_all()
        if thread is None:
            self._close()
        elif thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
        return self.report()

    def release(self) -> None:
        """Nobody can call any more: deliver what waits, then end the thread."""
        with self._changed:
            self._released = True
            self._changed.notify_all()
            close = self._thread is None and self._over()  # else the thread does, or the end of the process
        if close:
            self._close()

    def report(self) -> DeliveryReport:
        with self._changed:
            sent, rejected = self._delivery.tally.sent, self._delivery.tally.rejected
            pending = self._accepted + self._adopted - sent - rejected
            return DeliveryReport(sent, pending, rejected, self._dropped)

    # -- called by lifecycle

    def finish(self, timeout: float) -> None:
        """The process ends: flush, and say what is left."""
        pending = self.flush(timeout).pending
        if pending:
            fate = "wait in the spool for the next process" if self._options.spool else "are lost"
            log.warning("the process ends before %d events could be delivered; they %s", pending, fate)
        try:
            with self._changed:
                self._queue.tidy()
        except OSError as error:
            log.warning("a delivered file stays in the spool: %s", error)

    def busy(self) -> bool:
        """Is somebody in the middle of what a flush must wait for? A signal handler asks: it may have interrupted them."""
        if self._thread is not None and not self._thread.is_alive():
            return True  # being started
        for lock in (self._adopting,) if self._thread else (self._adopting, self._working):
            if not lock.acquire(blocking=False):
                return True
            lock.release()
        return False

    def begin_in_child(self) -> None:
        """After a fork: what waited is the parent's, and so are its connections, its files and its thread."""
        self._queue.forget()
        self._begin()

    # -- inside the lock

    def _put(self, event: bytes) -> bool:
        was_full = self._queue.full_batch
        if not self._queue.put(event):
            return False
        self._accepted += 1
        if self._waiting() == 1:
            self._schedule.oldest_at = time.monotonic()
            self._changed.notify_all()
        elif not was_full and self._queue.full_batch:
            self._changed.notify_all()
        return True

    def _waiting(self) -> int:
        return self._accepted + self._adopted - self._settled - self._loaded

    def _seconds_until_due(self) -> float | None:
        """0: work now. None: nothing to do until told."""
        if not self._delivery.done:
            return self._schedule.seconds_until_retry(asked_to_wait=self._delivery.asked_to_wait)
        if not self._waiting():
            return None
        return self._schedule.seconds_until_batch(at_once=self._released or self._queue.full_batch)

    def _idle_seconds(self) -> float | None:
        return None if self._options.spool is None else self._options.orphan_scan_seconds

    def _attempt_seconds(self) -> float:
        with self._changed:
            return self._schedule.attempt_seconds()

    def _over(self) -> bool:
        return self._ended or (self._released and not self._waiting() and self._delivery.done)

    # -- the work, by the thread or by whoever stands in for it

    def _start(self) -> None:
        """Start the thread if it can and does not run."""
        with self._changed:
            if self._thread is not None or not self._threaded or self._ended:
                return
            self._thread = thread = threading.Thread(target=self._run, name="tropa-sender", daemon=True)
        lifecycle.watch_process_end()
        try:
            thread.start()
        except RuntimeError as error:  # no more threads, or an interpreter that is ending
            self._threaded, self._thread = False, None
            log.warning("no thread can be started (%s): each call sends by itself", error)

    def _send_now(self) -> None:
        """Without a thread each call sends: its own event, then what ``on_error`` tracked meanwhile, once (that may fail, too)."""
        for _ in range(2):
            if self._settled < self._accepted + self._adopted and time.monotonic() >= self._schedule.not_before:
                self.flush(self._options.request_seconds)

    def _run(self) -> None:
        self._adopt_orphans(self._options.request_seconds)
        while self._wait_until_due():
            self._work(self._attempt_seconds())
        self._close()

    def _wait_until_due(self) -> bool:
        """False: the thread ends."""
        while True:
            with self._changed:
                if self._over():
                    return False
                pause = self._seconds_until_due()
                if pause == 0.0:
                    return True
                told = self._changed.wait(self._idle_seconds() if pause is None else pause)
            if pause is None and not told:
                self._adopt_orphans(self._options.request_seconds)

    def _wait_or_work(self, deadline: float) -> None:
        """One step towards the end of a flush."""
        left = max(0.0, deadline - time.monotonic())
        with self._changed:
            if self._thread is not None:
                self._changed.wait(left)
                return
            pause = self._seconds_until_due() or 0.0
        if pause:
            time.sleep(min(pause, left))
        else:
            self._work(min(left, self._attempt_seconds()))

    def _work(self, timeout: float) -> None:
        """One attempt at the batch in work, or at a new one."""
        if not self._working.acquire(timeout=timeout):
            return
        self._worker = threading.get_ident()
        try:
            if not self._delivery.done or self._load():
                self._attempt(timeout)
        except Exception:  # the sender loop: a bug here must not end delivery for the life of the host
            log.exception("the sender failed; it will try again")
            self._schedule.not_before = time.monotonic() + _PAUSE_AFTER_A_BUG
        finally:
            self._worker = None
            self._working.release()

    def _load(self) -> bool:
        with self._changed:
            events = self._queue.take()
            self._loaded = len(events)
            self._schedule.oldest_at = time.monotonic()
        if events:
            self._delivery.load(events)
        return bool(events)

    def _attempt(self, timeout: float) -> None:
        pause = self._delivery.attempt(timeout)
        with self._changed:
            self._schedule.attempted(pause)
        if self._delivery.done:
            self._settle()

    def _settle(self) -> None:
        try:
            with self._changed:
                self._settled += self._loaded
                self._loaded = 0
                self._changed.notify_all()
                self._queue.settle()
        except OSError as error:
            log.warning("a delivery cannot be noted in the spool, and may be repeated: %s", error)

    def _adopt_orphans(self, timeout: float) -> None:
        if not self._adopting.acquire(timeout=timeout):
            return
        try:
            if time.monotonic() >= self._next_scan_at:
                self._next_scan_at = time.monotonic() + self._options.orphan_scan_seconds
                orphans = self._queue.find_orphans()
                with self._changed:
                    self._adopted += self._queue.adopt(orphans)
        except OSError as error:
            log.warning("the spool cannot be searched for earlier events: %s", error)
        finally:
            self._adopting.release()

    def _close(self) -> None:
        try:
            with self._changed:
                self._queue.close()
        except OSError as error:
            log.warning("the spool cannot be closed: %s", error)
        lifecycle.forget(self)


def _threads_can_run() -> bool:
    """uWSGI without ``enable-threads`` starts threads that never get a turn."""
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is None or bool(getattr(uwsgi, "opt", {}).get("enable-threads"))
