"""A shop's million customers: make the file, import it with the command itself, say how long it took and how much memory.

python -m loadtests.import_million [--rows 1000000] [--directory /var/tmp] [--dry-run]
"""

from __future__ import annotations

import argparse
import csv
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

_CITIES = ("Москва", "Казань", "Омск", "Тула", "Пермь", "Самара", "Уфа", "Томск")
_NAMES = ("Анна", "Вера", "Олег", "Иван", "Мария", "Пётр", "Ольга", "Дарья")
_MAP = ("user_id=ID", "email=E-mail", "phone=Телефон", "trait.city=Город", "trait.name=Имя")


def make_file(path: Path, rows: int) -> None:
    """Semicolons and Windows-1251, as the shops' programs write; one customer in fifty is in it twice, one in forty misspelt."""
    dice = random.Random(1)
    with path.open("w", encoding="cp1251", newline="") as file:
        out = csv.writer(file, delimiter=";")
        out.writerow(["ID", "E-mail", "Телефон", "Город", "Имя", "Комментарий"])
        for number in range(1, rows + 1):
            who = number - 1 if number % 50 == 0 else number
            domain = "gmail.con" if number % 40 == 0 else "example.com"
            mailbox = who * 7_919 % 10_000_019  # as good as random: neighbours in the file are none in an index
            phone = f"8 (9{who // 10_000_000 % 100:02d}) {who // 10_000 % 1000:03d}-{who // 100 % 100:02d}-{who % 100:02d}"
            phone = phone.replace("(900)", "(916)")
            out.writerow([who, f"Buyer.{mailbox}@{domain}", phone, dice.choice(_CITIES), dice.choice(_NAMES), "-"])


class _Peak(threading.Thread):
    """The most memory that a process and its children held together, read from /proc."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.mib = 0.0
        self._pid = pid
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.2):
            self.mib = max(self.mib, sum(map(_resident_mib, [self._pid, *_children(self._pid)])))


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _resident_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def run(directory: Path, rows: int, *, dry_run: bool) -> None:
    """Make, import, count, print."""
    file, data = directory / "customers.csv", directory / "data"
    make_file(file, rows)
    command = [sys.executable, "-m", "tropa_collector", "import", str(file), "--data", str(data), "--region", "RU"]
    command += [part for entry in _MAP for part in ("--map", entry)] + (["--dry-run"] if dry_run else [])
    start = time.monotonic()
    with subprocess.Popen(command) as process:
        peak = _Peak(process.pid)
        peak.start()
        process.wait()
        peak.ended.set()
        peak.join()
    seconds = time.monotonic() - start
    processor = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"\n{rows} rows in {seconds:.1f} s: {rows / seconds:.0f} rows/s, peak {peak.mib:.0f} MiB (command and writer together),")
    print(f"processor {processor.ru_utime + processor.ru_stime:.1f} s, file {file.stat().st_size / 1e6:.0f} MB")
    if process.returncode:
        sys.exit(f"the import ended with {process.returncode}")
    if not dry_run:
        _count(data)


def _count(data: Path) -> None:
    store = data / "tropa.sqlite3"
    connection = sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)
    for what, sql in (
        ("contacts", "SELECT count(*) FROM contacts WHERE merged_into = 0"),
        ("identifiers", "SELECT count(*) FROM identifiers"),
        ("events", "SELECT count(*) FROM events"),
    ):
        print(f"{what:12} {connection.execute(sql).fetchone()[0]}")
    connection.close()
    print(f"{'store':12} {store.stat().st_size / 1e6:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--directory", type=Path, help="Where to make it, on a real disk; default: a temporary directory.")
    parser.add_argument("--dry-run", action="store_true", help="Only read and report.")
    asked = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="tropa-import-", dir=asked.directory))
    try:
        run(directory, asked.rows, dry_run=asked.dry_run)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
