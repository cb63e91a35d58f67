"""What of an event is worth an index of its own: a track's name, and that a campaign, an ad or another site brought somebody."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from tropa_collector.store.hashing import blake2b

TOUCH: Final = 0
#: deed, identifier, timestamp, event id.
Deed = tuple[int, int, int, int]
_CAMPAIGN, _NO_CAMPAIGN = '"campaign":', '"campaign":null'
_HOST, _REFERRER = '"host":"', '"referrer_host":"'


@lru_cache(maxsize=10_000)
def deed_of(name: str) -> int:
    """The number that stands for an event name: 47 bits, so that it takes six bytes, and never ``TOUCH``."""
    return (int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=6).digest(), "big") >> 1) or 1


def is_touch(body: str) -> bool:
    """Did a campaign, an ad's click or another site's link bring this event? Read off the text: no event is parsed for it."""
    start = body.rfind(_CAMPAIGN)  # near the end: campaign, page and address are the last of what the collector adds
    if start < 0:
        return False
    if body.startswith(_NO_CAMPAIGN, start):
        said = body[start:]
        referrer = _text_behind(said, _REFERRER)
        if not referrer or _site(referrer) == _site(_text_behind(said, _HOST)):
            return False
    return '"enriched":{' in body  # else it is the sender's own campaign


def _text_behind(text: str, name: str) -> str:
    return text.partition(name)[2].partition('"')[0]


def _site(host: str) -> str:
    return host.removeprefix("www.")


def deeds_of(type_: str, name: str, place: tuple[int, int, int], *, touch: bool) -> list[Deed]:
    """The rows of one event. ``place`` is its identifier, timestamp and id."""
    deeds = [(deed_of(name), *place)] if type_ == "track" else []
    if touch:
        deeds.append((TOUCH, *place))
    return deeds
