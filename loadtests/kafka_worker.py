"""A real worker in a process of its own: its admin listener is the only one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from loadtests.collector_process import CollectorProcess


class WorkerProcess(CollectorProcess):
    """``tropa work`` with settings by their names."""

    def __init__(self, data: Path, *, log: str, module: str = "tropa_collector", **settings: Any) -> None:
        super().__init__(data, module=module, log=log, **settings)
        self.port, self.url = self.admin_port, self.admin_url

    def _command(self) -> list[str]:
        return [sys.executable, "-m", self._module, "work", "--data", str(self.data), "--admin-port", str(self.admin_port)]
