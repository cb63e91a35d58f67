"""Who comes: people with a name, a place, and one or two devices."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from tropa_collector.demo.customers import customer_id

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Place:
    """``network``: of an address there, up to its last number."""

    city: str
    network: str
    locale: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Device:
    """A browser, its own cookie, and the screen it shows."""

    anonymous_id: str
    user_agent: str
    screen: tuple[int, int, int]  # width, height, density
    address: str


@dataclass(frozen=True, slots=True)
class Person:
    user_id: str
    name: str
    email: str
    place: Place
    devices: tuple[Device, ...]
    is_robot: bool = False

    @property
    def traits(self) -> dict[str, str]:
        return {"name": self.name, "email": self.email}


PLACES = (
    (30, Place("Moscow", "95.165.20.", "ru-RU", "Europe/Moscow")),
    (14, Place("Saint Petersburg", "178.70.33.", "ru-RU", "Europe/Moscow")),
    (8, Place("Novosibirsk", "90.188.40.", "ru-RU", "Asia/Novosibirsk")),
    (7, Place("Yekaterinburg", "5.141.90.", "ru-RU", "Asia/Yekaterinburg")),
    (6, Place("Moscow", "2a00:1370:8190:", "ru-RU", "Europe/Moscow")),
    (6, Place("Almaty", "2.72.10.", "ru-KZ", "Asia/Almaty")),
    (5, Place("Minsk", "178.120.5.", "ru-BY", "Europe/Minsk")),
    (4, Place("Tbilisi", "188.169.1.", "ru-RU", "Asia/Tbilisi")),
    (4, Place("Belgrade", "178.148.2.", "sr-RS", "Europe/Belgrade")),
    (4, Place("Berlin", "91.64.3.", "de-DE", "Europe/Berlin")),
    (3, Place("London", "86.128.4.", "en-GB", "Europe/London")),
    (2, Place("Istanbul", "88.224.6.", "tr-TR", "Europe/Istanbul")),
)

_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0"
_PHONES = (
    (5, f"Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) {_SAFARI} Mobile/15E148 Safari/604.1", (390, 844, 3)),
    (5, f"Mozilla/5.0 (Linux; Android 15; Pixel 9) {_CHROME} Mobile Safari/537.36", (412, 915, 3)),
    (4, f"Mozilla/5.0 (Linux; Android 14; SM-S921B) {_CHROME} Mobile Safari/537.36", (384, 832, 3)),
    (2, f"Mozilla/5.0 (Linux; arm_64; Android 14; M2101K6G) {_CHROME} YaBrowser/25.10.1.70.00 Mobile Safari/537.36", (393, 873, 3)),
    (1, f"Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) {_SAFARI} Mobile/15E148 Safari/604.1", (820, 1180, 2)),
)
_COMPUTERS = (
    (6, f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36", (1920, 1080, 1)),
    (3, f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} YaBrowser/25.10.0.0 Safari/537.36", (1536, 864, 1)),
    (3, f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI} Safari/605.1.15", (1512, 982, 2)),
    (2, f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36 Edg/142.0.0.0", (1920, 1080, 1)),
    (2, "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", (2560, 1440, 1)),
)
_ROBOT = "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)"

_FIRST = (
    *(("Анна", "anna", 1), ("Мария", "maria", 1), ("Елена", "elena", 1), ("Ольга", "olga", 1), ("Дарья", "daria", 1)),
    *(("София", "sofia", 1), ("Вера", "vera", 1), ("Полина", "polina", 1), ("Иван", "ivan", 0), ("Пётр", "petr", 0)),
    *(("Алексей", "alexey", 0), ("Михаил", "mikhail", 0), ("Никита", "nikita", 0), ("Глеб", "gleb", 0), ("Тимур", "timur", 0)),
)
_LAST = (
    *(("Орлов", "orlov"), ("Соколов", "sokolov"), ("Лебедев", "lebedev"), ("Морозов", "morozov"), ("Волков", "volkov")),
    *(("Зайцев", "zaitsev"), ("Павлов", "pavlov"), ("Голубев", "golubev"), ("Виноградов", "vinogradov"), ("Белов", "belov")),
)


def person(seed: str) -> Person:
    """The same person for the same seed, in any process."""
    random = Random(f"person {seed}")
    place = pick(random, PLACES)
    name, email = _called(random)
    kinds = random.choice([(_PHONES, _COMPUTERS), (_PHONES,), (_PHONES,), (_COMPUTERS, _PHONES), (_COMPUTERS,)])
    devices = tuple(_device(random, place, kind) for kind in kinds)
    return Person(customer_id(email), name, email, place, devices)


def robot(seed: str) -> Person:
    """A crawler: the collector marks it, and drops nothing of it."""
    somebody = person(seed)
    device = Device(somebody.devices[0].anonymous_id, _ROBOT, (1024, 768, 1), "5.255.253.36")
    return Person(somebody.user_id, somebody.name, somebody.email, Place("", "", "en-US", "UTC"), (device,), is_robot=True)


def pick(random: Random, weighted: tuple[tuple[int, Value], ...]) -> Value:
    return random.choices([value for _, value in weighted], [weight for weight, _ in weighted])[0]


def _called(random: Random) -> tuple[str, str]:
    (first, first_latin, woman), (last, last_latin) = random.choice(_FIRST), random.choice(_LAST)
    ending, ending_latin = ("а", "a") if woman else ("", "")
    address = f"{first_latin}.{last_latin}{ending_latin}{random.randrange(100, 1_000)}@example.com"
    return f"{first} {last}{ending}", address


def _device(random: Random, place: Place, kinds: tuple[tuple[int, str, tuple[int, int, int]], ...]) -> Device:
    user_agent, screen = pick(random, tuple((weight, (agent, size)) for weight, agent, size in kinds))
    host = random.randrange(2, 250)
    address = f"{place.network}:{host:x}" if ":" in place.network else f"{place.network}{host}"
    return Device(str(uuid.UUID(int=random.getrandbits(128), version=4)), user_agent, screen, address)
