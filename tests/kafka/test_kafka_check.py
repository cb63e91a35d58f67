"""``tropa doctor`` over a log: a good one, and what is wrong with others."""

from __future__ import annotations

from loadtests.kafka_cluster import KafkaCluster
from tests.kafka.records import submission, url
from tests.kafka.test_kafka_worker import produce

from tropa_collector.doctor import examine
from tropa_collector.kafka.check import check_log
from tropa_collector.settings import Settings


def test_the_doctor_looks_at_brokers_topic_and_group(kafka: KafkaCluster, topic: str) -> None:
    produce(kafka, topic, [submission(f"a{number}") for number in range(7)])
    findings = {finding.what: finding for finding in examine(Settings(log=url(kafka, topic)))}
    assert "1 brokers" in findings["log"].text
    assert "4 partitions" in findings["topic"].text
    assert (findings["copies"].good, "min.insync.replicas=2" in findings["copies"].text) == (False, True), (
        "one broker is for a trial"
    )
    assert findings["record size"].good
    assert findings["workers"].text.endswith("7 records behind")


def test_the_doctor_names_what_is_wrong(kafka: KafkaCluster, topic: str) -> None:
    assert [(what, good) for what, good, _ in check_log("kafka://127.0.0.1:9/t", 1_000_000)] == [("log", False)]
    found = {what: good for what, good, _ in check_log(kafka.url("not.there"), 1_000_000)}
    assert found == {"log": True, "topic": False}
    assert not {what: good for what, good, _ in check_log(kafka.url(topic), 2_000_000)}["record size"]
