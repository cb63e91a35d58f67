"""The layout's promises, read from the imports: the web framework stops at the edges, SQL stops at the store."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COLLECTOR = ROOT / "collector" / "tropa_collector"
SDK = ROOT / "sdk_python" / "tropa"
FILES = sorted(COLLECTOR.rglob("*.py"))
SDK_FILES = sorted(SDK.rglob("*.py"))


def imports(file: Path) -> set[str]:
    """Modules named in a file's imports, lazy ones included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def importers(*packages: str) -> set[str]:
    """Files of the collector, as paths in it, that import one of these packages."""
    return {
        file.relative_to(COLLECTOR).as_posix()
        for file in FILES
        if any(module == package or module.startswith(f"{package}.") for module in imports(file) for package in packages)
    }


def outside(found: set[str], *allowed: str) -> set[str]:
    return {path for path in found if not path.startswith(allowed)}


RULES = {
    "the web framework": (
        ("starlette", "uvicorn", "uvloop", "httptools"),
        ("receive/", "admin/", "demo/", "app.py", "public.py", "listeners.py", "cli.py", "cli_work.py"),
    ),
    "SQL": (("sqlite3", "aiosqlite", "asyncpg"), ("store/", "transfer/", "doctor.py")),
    "the embedded store": (
        ("tropa_collector.store.sqlite",),
        ("store/sqlite/", "store/opened.py", "forward/feed.py", "transfer/", "doctor.py", "cli_contacts.py"),
    ),
    "PostgreSQL": (
        ("tropa_collector.store.postgres",),
        ("store/postgres/", "store/opened.py", "forward/feed.py", "transfer/", "doctor.py"),
    ),
    "Kafka": (("confluent_kafka",), ("kafka/",)),
    "prometheus": (("prometheus_client",), ("metrics.py",)),
    "the command line": (("click",), ("cli.py", "cli_")),
    "HTTP clients": (("urllib.request", "urllib3", "http.client", "aiohttp"), ("transfer/", "forward/", "demo/")),
    "processes": (("subprocess", "multiprocessing"), ("demo/",)),
}


@pytest.mark.parametrize(("packages", "allowed"), RULES.values(), ids=RULES.keys())
def test_a_dependency_stays_in_its_place(packages: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    assert outside(importers(*packages), *allowed) == set()


def test_the_rules_look_at_something() -> None:
    assert len(FILES) > 50
    assert importers("starlette") >= {"admin/api.py", "public.py"}
    assert importers("sqlite3") >= {"store/sqlite/writing/writer.py"}


@pytest.mark.parametrize("stage", ["events", "enrich", "identity"])
def test_the_middle_is_pure(stage: str) -> None:
    """Validate, enrich and resolve are handed the time, the ids and what the database knows."""
    effects = {
        "asyncio",
        "socket",
        "threading",
        "sqlite3",
        "aiosqlite",
        "subprocess",
        "random",
        "secrets",
        "tropa_collector.settings",
    }
    edges = ("tropa_collector.receive", "tropa_collector.admin", "tropa_collector.store.sqlite", "tropa_collector.transfer")
    for file in sorted((COLLECTOR / stage).rglob("*.py")):
        named = imports(file)
        assert named & effects == set(), file.name
        assert [module for module in named if module.startswith(edges)] == [], file.name


def test_the_environment_is_read_in_one_place() -> None:
    readers = {file.relative_to(COLLECTOR).as_posix() for file in FILES for _ in environment_reads(file)}
    assert readers == {"settings.py"}


def environment_reads(file: Path) -> Iterator[ast.AST]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv", "putenv"}:
            yield node


@pytest.mark.parametrize("file", [*FILES, *SDK_FILES], ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_broad_except_is_logged_or_gives_its_reason(file: Path) -> None:
    lines = file.read_text("utf-8").splitlines()
    for handler in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(handler, ast.ExceptHandler) and is_broad(handler.type):
            line = lines[handler.lineno - 1]
            explained = "noqa" in line and " - " in line.partition("noqa")[2]
            assert explained or logs_the_exception(handler) or reraises(handler), f"{file.name}:{handler.lineno}: {line.strip()}"


def is_broad(caught: ast.expr | None) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(name is None or (isinstance(name, ast.Name) and name.id in {"Exception", "BaseException"}) for name in names)


def logs_the_exception(handler: ast.ExceptHandler) -> bool:
    calls = (node for node in ast.walk(handler) if isinstance(node, ast.Call))
    return any(
        isinstance(call.func, ast.Attribute) and (call.func.attr == "exception" or any(k.arg == "exc_info" for k in call.keywords))
        for call in calls
    )


def reraises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


@pytest.mark.parametrize("file", [*FILES, *SDK_FILES], ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_name_says_nothing(file: Path) -> None:
    empty = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "base", "misc"}
    assert not empty & {*file.relative_to(ROOT).parts, file.stem}


def test_the_sdk_stands_alone() -> None:
    named = {module for file in SDK_FILES for module in imports(file)}
    assert [module for module in named if module.partition(".")[0] == "tropa_collector"] == []


def test_the_writer_process_loads_no_more_than_it_needs() -> None:
    """Each of these takes megabytes of a process that does nothing with them."""
    writer = "tropa_collector.store.sqlite.writing.writer"
    unwanted = ("_hashlib", "ssl", "asyncio", "pydantic", "starlette", "uvicorn", "phonenumbers", "ua_parser", "zstandard")
    asked = f"import sys, {writer}; print([name for name in {unwanted} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "[]\n"
