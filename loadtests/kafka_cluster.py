"""The real Apache Kafka on loopback, without a container: jars from Maven, KRaft nodes that are broker and controller at once."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from hashlib import blake2b
from pathlib import Path
from typing import Self
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from loadtests.collector_process import free_port

POM = Path(__file__).parents[1] / "tests" / "kafka" / "pom.xml"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
_JAVA = ("java", "-Xmx256m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_CLUSTER = "dHJvcGEtb2YtdGhlLXRlc3"  # any 16 bytes in base64


def missing() -> str:
    """Which program is not there, and how to have it; empty when all are."""
    for command, package in (("java", "openjdk-17-jre-headless"), ("mvn", "maven")):
        if shutil.which(command) is None:
            return f"{command} is missing: apt-get install {package}"
    return ""


def jars() -> Path:
    """Kafka's jars, in the virtual environment: fetched the first time, and again when the POM changes."""
    directory = Path(sys.prefix) / "share" / f"kafka-{blake2b(POM.read_bytes(), digest_size=6).hexdigest()}"
    if not directory.is_dir():
        partial = directory.with_name(f"{directory.name}-{uuid4().hex[:8]}")
        command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
        subprocess.run(command, check=True, timeout=300)
        if directory.is_dir():  # another run was faster
            shutil.rmtree(partial)
        else:
            partial.rename(directory)
    return directory


class Node:
    """One broker that is a controller too."""

    def __init__(self, directory: Path, number: int) -> None:
        self.number = number
        self.port, self.controller_port = free_port(), free_port()
        self._directory = directory / f"node-{number}"
        self._log = directory / f"node-{number}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def voter(self) -> str:
        return f"{self.number}@127.0.0.1:{self.controller_port}"

    def format(self, voters: str, replicas: int) -> None:
        self._directory.mkdir(parents=True)
        properties = _PROPERTIES.format(
            node=self, voters=voters, directory=self._directory / "data", replicas=replicas, least=max(1, replicas - 1)
        )
        self._settings.write_text(properties)
        tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(self._settings)]
        done = subprocess.run([*_JAVA, "-cp", _class_path(), *tool], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"Kafka's storage was not formatted: {done.stdout} {done.stderr}")

    @property
    def _settings(self) -> Path:
        return self._directory / "server.properties"

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [*_JAVA, "-cp", _class_path(), "kafka.Kafka", str(self._settings)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def freeze(self) -> None:
        """It accepts connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log_tail(self) -> str:
        return self._log.read_text("utf-8", "replace")[-2_000:]


class KafkaCluster:
    """Some nodes; each record is on all of them and acknowledged by all but one (by the one, if there is one)."""

    def __init__(self, directory: Path, *, nodes: int = 1) -> None:
        self.nodes = [Node(directory, number) for number in range(1, nodes + 1)]

    @property
    def brokers(self) -> str:
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def __enter__(self) -> Self:
        voters = ",".join(node.voter for node in self.nodes)
        for node in self.nodes:
            node.format(voters, len(self.nodes))
            node.start()
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            if node.runs:
                node.kill()

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})

    def wait_ready(self, *, nodes: int = 0) -> None:
        """Until that many nodes are in the cluster; all of them if no number is given."""
        admin, deadline = self.admin(), time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for node in self.nodes:
                if not nodes and not node.runs:
                    raise RuntimeError(f"Kafka's node {node.number} ended: {node.log_tail()}")
            try:
                if len(admin.list_topics(timeout=2).brokers) >= (nodes or len(self.nodes)):
                    return
            except KafkaException:
                pass
            time.sleep(0.1)
        raise TimeoutError(f"Kafka was not ready within {START_SECONDS:.0f} s: {self.nodes[0].log_tail()}")

    def wait_in_sync(self, topic: str) -> None:
        """Until every partition of the topic is on every node again."""
        admin, deadline = self.admin(), time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(KafkaException):
                partitions = admin.list_topics(topic, timeout=2).topics[topic].partitions.values()
                if all(len(partition.isrs) == len(self.nodes) for partition in partitions):
                    return
            time.sleep(0.2)
        raise TimeoutError(f"{topic} was not in sync within {START_SECONDS:.0f} s")

    def create_topic(self, topic: str, *, partitions: int = 4, **config: str) -> str:
        settings = {name.replace("_", "."): value for name, value in config.items()}
        new = NewTopic(topic, num_partitions=partitions, replication_factor=len(self.nodes), config=settings)
        admin = self.admin()
        admin.create_topics([new])[topic].result(30)
        return topic

    def url(self, topic: str, *properties: str) -> str:
        """The setting ``log``."""
        return f"kafka://{self.brokers}/{topic}" + ("?" + "&".join(properties) if properties else "")


def _class_path() -> str:
    return f"{jars()}/*"


_PROPERTIES = """\
process.roles=broker,controller
node.id={node.number}
listeners=PLAINTEXT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}
controller.listener.names=CONTROLLER
controller.quorum.voters={voters}
log.dirs={directory}
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={least}
offsets.topic.num.partitions=4
offsets.topic.replication.factor={replicas}
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={least}
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
num.network.threads=2
num.io.threads=4
log.cleaner.enable=false
"""
