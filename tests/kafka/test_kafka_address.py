"""The setting ``log``: what is an address, and what nobody can take away from the promises."""

from __future__ import annotations

import pytest

from tropa_collector.errors import SettingsError
from tropa_collector.kafka.address import kafka_address


def test_an_address_names_brokers_topic_and_group() -> None:
    address = kafka_address("kafka://one:9092,two,[::1]:9094/tropa.events?group.id=shop&sasl.password=p%26w")
    assert (address.brokers, address.topic, address.group) == ("one:9092,two,[::1]:9094", "tropa.events", "shop")
    assert kafka_address("kafka://one/t").group == "tropa"
    assert "p&w" not in str(address), "it is logged"


def test_properties_go_to_whom_they_are_for() -> None:
    address = kafka_address("kafka://one/t?security.protocol=SSL&consumer.session.timeout.ms=6000&producer.linger.ms=5")
    assert address.properties_of("producer") == {"security.protocol": "SSL", "linger.ms": "5"}
    assert address.properties_of("consumer") == {"security.protocol": "SSL", "session.timeout.ms": "6000"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("redis://one/t", "an address is kafka://"),
        ("kafka:///t", "an address is kafka://"),
        ("kafka://one,/t", "an address is kafka://"),
        ("kafka://anna:secret@one:9092/t", "sasl.username"),
        ("kafka://one:9092,two:99999/t", "two:99999 has a port that there is not"),
        ("kafka://one:0/t", "one:0 has a port"),
        ("kafka://one", "the topic ''"),
        ("kafka://one/a/b", "the topic 'a/b'"),
        ("kafka://one/t?acks=1", "acks is Tropa's own"),
        ("kafka://one/t?producer.enable.idempotence=false", "promises"),
        ("kafka://one/t?consumer.enable.auto.commit=true", "promises"),
    ],
)
def test_what_is_no_address_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match="log: ") as error:
        kafka_address(text)
    assert sentence in str(error.value)
    assert "secret" not in str(error.value)
