"""Bots by their user agent: the crawler-user-agents list under one compiled matcher."""

from __future__ import annotations

from importlib.metadata import distribution, version
from pathlib import Path

import msgspec
from ua_parser import Domain
from ua_parser.lazy import UserAgentMatcher
from ua_parser.regex import Resolver

_LIST = "crawleruseragents/crawler-user-agents.json"


class Crawlers:
    """The list's 1 500 expressions as one, in ua-parser's compiled matcher: 6 µs for a miss where ``re`` takes 400."""

    version = version("crawler-user-agents")

    def __init__(self) -> None:
        # One alternation takes 6 MB; a matcher for each expression took 21. Its group, which the matcher calls the
        # family, is the text that gave the bot away.
        any_crawler = "|".join(_patterns())
        self._resolver = Resolver(([UserAgentMatcher(f"({any_crawler})")], [], []))

    def name_in(self, user_agent: str) -> str | None:
        """The bot's name as its user agent spells it, or None."""
        found = self._resolver(user_agent, Domain.USER_AGENT).user_agent
        return found.family.strip(" /;:()")[:64] if found else None


class _Crawler(msgspec.Struct):
    pattern: str


def _patterns() -> list[str]:
    """Out of the package's file: the package itself would keep all of it, examples too, for ever."""
    listed = Path(str(distribution("crawler-user-agents").locate_file(_LIST)))
    return [crawler.pattern for crawler in msgspec.json.decode(listed.read_bytes(), type=list[_Crawler])]
