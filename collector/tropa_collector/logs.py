"""Structured log lines. Payloads, keys and whole addresses are never logged; control characters are escaped."""

from __future__ import annotations

import json
import logging
import sys
from typing import Literal

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def escaped(line: str) -> str:
    """``line`` without anything that a terminal would obey."""
    return line.translate(_CONTROL)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{self.formatTime(record)} {record.levelname.lower():8} {record.name}  {escaped(record.getMessage())}"
        return "\n".join([line, *map(escaped, self.formatException(record.exc_info).split("\n"))]) if record.exc_info else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def configure(log_format: Literal["text", "json"]) -> None:
    """Log to standard error, once, for the whole process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of each malformed request
