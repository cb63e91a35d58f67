"""Device of an event, from its user agent and client hints. Bots are marked, never dropped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from importlib.metadata import version
from typing import Any

import orjson
import ua_parser
from ua_parser.regex import Resolver
from user_agents import parsers

from tropa_collector.enrich.bounded_cache import BoundedCache
from tropa_collector.enrich.client_hints import ClientHints, read_hints, windows_version
from tropa_collector.enrich.crawlers import Crawlers
from tropa_collector.enrich.enrichment import Enrichment

Device = Enrichment
_NameAndVersion = tuple[str | None, str | None]

# Real user agents end before 400 characters; expressions that backtrack do not stop there.
MAX_USER_AGENT_CHARS = 512
MAX_HINTS_BYTES = 2_048
MAX_KEY_CHARS = 1_536  # an honest Chrome with all its hints needs 700

_TV = re.compile(r"(?i:smart-?tv|google ?tv|android ?tv|apple ?tv|hbbtv|web0s|netcast|crkey|roku|bravia)|\bAFT[A-Z]| TV ")
_REDUCED_ANDROID = re.compile(r"Android [\d.]+; K(?=[;)])")
_IOS_BROWSER_ON_MAC = re.compile(r"Macintosh.*(?:CriOS|FxiOS|EdgiOS|GSA)/|Macintosh.* Mobile/")
_PLAIN_CHROME = frozenset({"Chrome", "Chrome Mobile", "Chromium"})
_HEADLESS = "HeadlessChrome"


class Devices:
    """Devices by user agent, ``max_items`` of them remembered."""

    def __init__(self, max_items: int) -> None:
        self._known: BoundedCache[str | tuple[str, bytes], Device] = BoundedCache(self._read, max_items, MAX_KEY_CHARS)

    def lookup(self, user_agent: str | None, hints: Mapping[str, Any] | None) -> Device | None:
        """The device, or None without a user agent. Never raises.

        ``hints`` are those that ``read_hints`` names. Keys: type (desktop, mobile, tablet, tv, bot, other), brand,
        model, os {name, version}, browser {name, version}, bot, bot_name (bots only), db; unknown values are None.
        """
        if type(user_agent) is not str or not user_agent:
            return None
        if not hints:
            return self._known[user_agent[:MAX_USER_AGENT_CHARS]]
        try:
            sent = orjson.dumps(hints)  # one hashable value of any shape, in a third of a µs
        except TypeError:
            sent = b""
        if not sent or len(sent) > MAX_HINTS_BYTES:
            return self._known[user_agent[:MAX_USER_AGENT_CHARS]]
        return self._known[user_agent[:MAX_USER_AGENT_CHARS], sent]

    def warm(self) -> None:
        """Loads every rule now: the first parse would otherwise hold up a request for 200 ms."""
        self.lookup("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", None)

    def versions(self) -> dict[str, str]:
        """Name and version of each source of knowledge."""
        return {"ua-parser": version("ua-parser-builtins"), "crawler-user-agents": Crawlers.version}

    @cached_property
    def _db(self) -> str:
        return ", ".join(f"{name} {number}" for name, number in self.versions().items())

    @cached_property
    def _crawlers(self) -> Crawlers:
        return Crawlers()

    @cached_property
    def _parser(self) -> ua_parser.Parser:
        return ua_parser.Parser(Resolver(ua_parser.load_lazy_builtins()))

    def _read(self, key: str | tuple[str, bytes]) -> Device:
        text, sent = key if isinstance(key, tuple) else (key, b"{}")
        text = text.encode("utf-8", "replace").decode()  # the compiled parser takes no lone surrogate
        hints = read_hints(orjson.loads(sent))
        agent = _Agent(_unreduced(text, hints), self._parser)
        bot_name = self._bot_name(agent, text, hints)
        kind = "bot" if bot_name else _kind(agent, hints)
        brand, model = _maker(agent, hints, kind)
        device: dict[str, Any] = {"type": kind, "brand": brand, "model": model}
        device["os"] = _named(*_system(agent, hints))
        device["browser"] = _named(*_browser(agent, hints))
        device["bot"] = bot_name is not None
        device["db"] = self._db
        if bot_name:
            device["bot_name"] = bot_name
        return Enrichment(device)

    def _bot_name(self, agent: _Agent, text: str, hints: ClientHints) -> str | None:
        listed = self._crawlers.name_in(text) or (_HEADLESS if hints.browser == _HEADLESS else None)
        if agent.is_bot and (listed is None or "." in listed):  # the list knows some by their address alone
            return _name(agent.browser.family) or listed or "bot"
        return listed


class _Agent(parsers.UserAgent):  # type: ignore[misc]  # user-agents ships no types
    """user-agents' judgement over the compiled parser: its own constructor calls one that takes milliseconds."""

    def __init__(self, user_agent: str, parse: ua_parser.Parser) -> None:
        found = parse.parse(user_agent).with_defaults()
        browser, system, device = found.user_agent, found.os, found.device
        self.ua_string = user_agent
        self.browser = parsers.parse_browser(browser.family, browser.major, browser.minor, browser.patch)
        self.os = parsers.parse_operating_system(system.family, system.major, system.minor, system.patch)
        self.device = parsers.parse_device(device.family, device.brand, device.model)


def _unreduced(user_agent: str, hints: ClientHints) -> str:
    """The user agent as it was before browsers froze "Android 10; K", so that its model's maker is found too."""
    if hints.model is None and hints.platform_version is None:
        return user_agent
    model = re.sub(r"[;()]", "", hints.model or "K")
    system = re.sub(r"[^\d.]", "", hints.platform_version or "10")
    return _REDUCED_ANDROID.sub(lambda _: f"Android {system}; {model}", user_agent)


def _kind(agent: _Agent, hints: ClientHints) -> str:
    if _TV.search(agent.ua_string) or "Inettv" in (agent.device.brand or ""):
        return "tv"
    if hints.tablet or _is_ipad(agent):
        return "tablet"
    # An Android app's user agent says "Dalvik" and no "Mobile Safari", by which user-agents tells phones.
    if hints.mobile or "Dalvik/" in agent.ua_string:
        return "mobile"
    if agent.is_tablet:
        return "tablet"
    if agent.is_mobile:
        return "mobile"
    return "desktop" if agent.is_pc else "other"


def _is_ipad(agent: _Agent) -> bool:
    # Since iPadOS 13 an iPad calls itself a Macintosh. Safari's disguise is perfect, other browsers' is not.
    return agent.device.family == "iPad" or _IOS_BROWSER_ON_MAC.search(agent.ua_string) is not None


@lru_cache(maxsize=4_096)  # few names and versions make up all devices: shared, a remembered one takes half the memory
def _named(name: str | None, number: str | None) -> dict[str, str | None]:
    return {"name": name, "version": number}


def _maker(agent: _Agent, hints: ClientHints, kind: str) -> tuple[str | None, str | None]:
    """Brand and model."""
    if kind == "bot":
        return None, None
    if kind == "tablet" and _is_ipad(agent):
        return "Apple", "iPad"
    brand = agent.device.brand
    if brand == "Generic":  # "Generic Smartphone": says nothing
        return None, hints.model
    model = hints.model or (None if agent.device.model == "K" else agent.device.model)
    return None if brand is None or brand.startswith("Generic_") else brand, model


def _system(agent: _Agent, hints: ClientHints) -> _NameAndVersion:
    name, system_version = agent.os.family, agent.os.version_string
    if name == "Mac OS X" and _is_ipad(agent):
        return "iOS", None
    if hints.platform_version and name == "Windows" == hints.platform:
        system_version = windows_version(hints.platform_version) or system_version
    elif hints.platform_version and name == "Mac OS X" and hints.platform == "macOS":
        system_version = hints.platform_version
    return _name(name), system_version or None


def _browser(agent: _Agent, hints: ClientHints) -> _NameAndVersion:
    name, number = _name(agent.browser.family), agent.browser.version_string or None
    if hints.browser is None:
        return name, number
    if name is not None and hints.browser in (name, name.removesuffix(" Mobile")):
        return name, _finer(number, hints.browser_version)
    if name in _PLAIN_CHROME and hints.browser != "Chromium":  # Brave and others that hide behind Chrome
        return hints.browser, hints.browser_version
    return name, number


def _finer(number: str | None, hinted: str | None) -> str | None:
    """Brand lists come with and without the full version; a bare "131" must not replace "131.0.2"."""
    return hinted if hinted and "." in hinted else number or hinted


def _name(family: str) -> str | None:
    return None if family == "Other" else family
