"""The two catalogues say the same things, and templates ask for nothing that they do not say."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from tropa_collector.admin import console
from tropa_collector.admin.console.words import CATALOGUES, Words, en, preferred, ru

FOLDER = Path(console.__file__).parent
TEMPLATES = sorted((FOLDER / "templates").glob("*.html"))
ASKED = re.compile(r"""\bt\(\s*["']([a-z_.]+)["']\s*[,)]""")
BEGUN = re.compile(r"""\bt\(\s*["']([a-z_.]+\.[a-z_]*)["']\s*[+~]""")


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys() -> None:
    assert list(en.TEXTS) == list(ru.TEXTS)


@pytest.mark.parametrize("key", en.TEXTS)
def test_a_text_takes_the_same_values_in_both(key: str) -> None:
    assert fields(en.TEXTS[key]) == fields(ru.TEXTS[key])
    assert en.TEXTS[key].strip()
    assert ru.TEXTS[key].strip()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_asks_for_texts_that_there_are(template: Path) -> None:
    text = template.read_text("utf-8")
    assert [key for key in ASKED.findall(text) if key not in en.TEXTS] == []
    assert [start for start in BEGUN.findall(text) if not any(key.startswith(start) for key in en.TEXTS)] == []


def test_no_text_is_left_that_nobody_asks_for() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in [*TEMPLATES, *FOLDER.glob("*.py"), FOLDER / "words" / "__init__.py"])
    starts = tuple(
        {*re.findall(r"""["']([a-z_]+\.[a-z_]*)["']\s*[+~]""", sources), *re.findall(r"""f["']([a-z_]+\.)\{""", sources)}
    )
    families = tuple({f"{found}." for found in re.findall(r"""count\(["']([a-z_.]+)["']""", sources)})
    unused = [key for key in en.TEXTS if f'"{key}"' not in sources and f"'{key}'" not in sources]
    assert [key for key in unused if not key.startswith(starts + families + ("country.", "device.", "browser."))] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_marks_nothing_safe_and_styles_nothing_inline(template: Path) -> None:
    text = template.read_text("utf-8")
    assert not re.search(r"\|\s*safe|Markup|autoescape|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)|hx-on|hx-vals", text)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("ru", "ru"),
        ("ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("en-GB,en;q=0.9,ru;q=0.8", "en"),
        ("de-DE,de;q=0.9,ru;q=0.5", "ru"),
        ("fr", "en"),
        ("ru;q=0,en;q=0.1", "en"),
        ("ru;q=9.9.9, *;q=0.1, \xff", "en"),
    ],
)
def test_the_language_is_the_browsers(accepted: str, language: str) -> None:
    assert preferred(accepted) == language


@pytest.mark.parametrize(
    ("language", "number", "share", "size", "ago"),
    [
        ("en", "1,234,567", "0.3%", "1.2\u202fMB", "3 h ago"),
        ("ru", "1\u202f234\u202f567", "0,3\u202f%", "1,2\u202fМБ", "3 ч назад"),
    ],
)
def test_numbers_are_written_as_the_language_writes_them(language: str, number: str, share: str, size: str, ago: str) -> None:
    words = Words(language)
    assert (words.number(1_234_567), words.share(3, 1_000), words.size(1_234_567), words.ago(3 * 3600 + 5)) == (
        number,
        share,
        size,
        ago,
    )


def test_a_little_is_not_nothing_and_nearly_all_is_not_all() -> None:
    words = Words("en")
    assert [words.share(part, 100_000) for part in (0, 1, 99_999, 100_000)] == ["0%", "<0.1%", ">99.9%", "100%"]
    assert words.share(0, 0) == "—"
    assert set(CATALOGUES) == {"en", "ru"}
