"""A real worker in a process of its own: its admin listener is the only one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from loadtests.collector_process import CollectorProcess

READY_SECONDS = 60.0


class WorkerProcess(CollectorProcess):
    """``tropa work`` with settings by their names."""

    def __init__(self, data: Path, *, log: str, module: str = "tropa_collector", **settings: Any) -> None:
        super().__init__(data, module=module, log=log, **settings)
        self.port, self.url = self.admin_port, self.admin_url

    def wait_ready(self, seconds: float) -> float:
        """It joins its group when a dead predecessor is known to be dead, and a busy machine takes its time."""
        return super().wait_ready(max(seconds, READY_SECONDS))

    def _command(self) -> list[str]:
        return [sys.executable, "-m", self._module, "work", "--data", str(self.data), "--admin-port", str(self.admin_port)]
