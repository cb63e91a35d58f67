"""Where the log is: ``kafka://host:port,host:port/topic?name=value``, the setting ``log``.

Behind the question mark stand librdkafka's own properties (``security.protocol=SASL_SSL``, ``sasl.password=…``), for producers
and consumers alike; ``producer.`` or ``consumer.`` before a name gives it to one of them. ``group.id`` names the workers' group.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from tropa_collector.errors import SettingsError

Role = Literal["producer", "consumer"]

_BROKER: Final = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
#: What the promises rest on: none of it can be had otherwise.
_FIXED: Final = frozenset(
    (
        "acks",
        "request.required.acks",
        "auto.offset.reset",
        "bootstrap.servers",
        "metadata.broker.list",
        "delivery.timeout.ms",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "message.max.bytes",
        "message.timeout.ms",
        "partition.assignment.strategy",
        "transactional.id",
    )
)
_EXAMPLE: Final = "log: an address is kafka://host:9092,host:9092/topic"


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """Brokers, topic and group of the log."""

    brokers: str
    topic: str
    group: str
    properties: Mapping[str, str]

    def properties_of(self, role: Role) -> dict[str, str]:
        """The librdkafka properties that the operator gave to producers or to consumers."""
        other = "consumer." if role == "producer" else "producer."
        return {name.removeprefix(f"{role}."): value for name, value in self.properties.items() if not name.startswith(other)}

    def __str__(self) -> str:
        """Without the properties: a password may be among them."""
        return f"kafka://{self.brokers}/{self.topic}"


def kafka_address(text: str) -> KafkaAddress:
    """Read an address.

    Raises:
        SettingsError: it is not one, or it has a property that cannot be changed.
    """
    parts = urlsplit(text)
    brokers, topic = parts.netloc, unquote(parts.path.removeprefix("/"))
    if parts.scheme != "kafka" or not all(_BROKER.fullmatch(broker) for broker in brokers.split(",")):
        raise SettingsError(f"{_EXAMPLE}; credentials stand in sasl.username and sasl.password behind the question mark.")
    for broker in brokers.split(","):
        _, _, port = broker.rpartition(":")
        if port.isdigit() and not 0 < int(port) < 65_536:  # librdkafka would take the rest of a division
            raise SettingsError(f"{_EXAMPLE}; {broker} has a port that there is not.")
    if not _TOPIC.fullmatch(topic):
        raise SettingsError(f"{_EXAMPLE}; the topic {topic[:40]!r} has other characters than letters, digits, '.', '_', '-'.")
    properties = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in properties:
        if name.removeprefix("producer.").removeprefix("consumer.") in _FIXED:
            raise SettingsError(f"log: {name} is Tropa's own and cannot be set: the promises rest on it.")
    return KafkaAddress(brokers, topic, properties.pop("group.id", "tropa"), properties)
