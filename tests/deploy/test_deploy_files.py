"""The deployment files, as far as they can be read without their engines: schemas, settings, what they promise each other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from dockerfile_parse import DockerfileParser
from tests.conftest import need

from tropa_collector.forward.declared import declared
from tropa_collector.receive.keys import read_sources
from tropa_collector.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "collector" / "tropa_collector" / "deploy"
COMPOSE = sorted((DEPLOY / "compose").glob("*.yaml"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SHAPES = {"one-process.yaml", "postgres.yaml", "kafka.yaml"}
KUBERNETES = "1.33"
_VARIABLE = re.compile(r"\$\{(\w+)(?::[-?]([^}]*))?\}")


def name(path: Path) -> str:
    return path.relative_to(DEPLOY).as_posix()


def environment_file(path: Path) -> dict[str, str]:
    lines = (line.removeprefix("#") for line in path.read_text("utf-8").splitlines() if "=" in line and not line.startswith("# "))
    return dict(line.split("=", 1) for line in lines)


def settings_of(environment: dict[str, str]) -> Settings:
    """What a process with these variables would run with; a name or value that it would refuse is refused here."""
    chosen = {name.removeprefix("TROPA_").lower(): value for name, value in environment.items() if name.startswith("TROPA_")}
    chosen.pop("config", None)
    settings = Settings.model_validate({name: value for name, value in chosen.items() if value})
    read_sources(settings.write_keys, {})
    return settings


def test_there_is_a_file_for_each_shape() -> None:
    assert {path.name for path in COMPOSE} == {path.name for path in MANIFESTS} == SHAPES
    said = (DEPLOY / "README.md").read_text("utf-8")
    missing = [name(path) for path in DEPLOY.rglob("*") if path.is_file() and path.name not in said and path.name != "README.md"]
    assert missing == [], "the README names every file"


# -- compose


@pytest.fixture(params=COMPOSE, ids=lambda path: path.name)
def compose(request: pytest.FixtureRequest) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(request.param.read_text("utf-8"))
    return content


def tropa_services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in compose["services"].items() if service["image"] == "tropa"}


def filled(value: str) -> str:
    """As docker compose puts it together with the example's variables."""
    example = environment_file(DEPLOY / "compose" / "example.env")
    return _VARIABLE.sub(lambda found: example.get(found[1]) or "", value)


def test_compose_files_are_what_the_specification_says(compose: dict[str, Any]) -> None:
    schema = json.loads((files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json").read_text("utf-8"))
    jsonschema.validators.validator_for(schema)(schema).validate(compose)


def test_compose_services_name_what_is_there(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert {volume for volume in volumes if not volume.startswith(".")} <= set(compose["volumes"])
        for volume in volumes:
            if volume.startswith("."):
                assert (DEPLOY / "compose" / volume).is_file()
        assert ":" in service["image"] or service["image"] == "tropa", "an engine has a version"
        assert not service["image"].endswith(":latest")
        build = service.get("build")
        if build:
            context = (DEPLOY / "compose" / build["context"]).resolve()
            assert context == ROOT
            assert (context / build["dockerfile"]).is_file()


def test_compose_variables_are_settings(compose: dict[str, Any]) -> None:
    for service in tropa_services(compose).values():
        environment = {name: filled(value) for name, value in service["environment"].items()}
        settings = settings_of(environment)
        worker = service.get("command") == ["work"]
        assert worker == ("8001" in environment.get("READY_URL", "")), "a worker's health is asked of its own listener"
        assert worker <= (settings.log is not None)
        assert all(port.startswith("127.0.0.1:") for port in service["ports"] if port.endswith(":8001")), "admin on loopback alone"


def test_compose_asks_for_variables_that_the_example_has() -> None:
    asked = {found[1] for path in COMPOSE for found in _VARIABLE.finditer(path.read_text("utf-8"))}
    assert asked == set(environment_file(DEPLOY / "compose" / "example.env"))


# -- Kubernetes


@pytest.fixture(params=MANIFESTS, ids=lambda path: path.name)
def manifests(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(request.param.read_text("utf-8")))


def pods(manifests: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Each workload with its pod and its one container."""
    for manifest in manifests:
        if manifest["kind"] in {"Deployment", "StatefulSet"}:
            pod = manifest["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            yield manifest, pod, container


def secrets(manifests: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    return {manifest["metadata"]["name"]: manifest["stringData"] for manifest in manifests if manifest["kind"] == "Secret"}


def test_manifests_are_what_kubernetes_says(manifests: list[dict[str, Any]]) -> None:
    for manifest in manifests:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests]
    assert len(names) == len(set(names))


def test_selectors_find_pods(manifests: list[dict[str, Any]]) -> None:
    labels = [workload["spec"]["template"]["metadata"]["labels"] for workload, _, _ in pods(manifests)]
    for manifest in manifests:
        selector = manifest.get("spec", {}).get("selector", {})
        wanted = selector.get("matchLabels", selector)
        found = [one for one in labels if wanted.items() <= one.items()]
        assert not wanted or found, manifest["metadata"]["name"]
        assert manifest["kind"] not in {"Deployment", "StatefulSet"} or len(found) == 1, "two workloads would fight over pods"


def test_pods_run_with_settings_that_are_taken(manifests: list[dict[str, Any]]) -> None:
    for workload, pod, container in pods(manifests):
        environment: dict[str, str] = {}
        for source in container["envFrom"]:
            environment |= secrets(manifests)[source["secretRef"]["name"]]
        environment |= {entry["name"]: entry["value"] for entry in container.get("env", ())}
        settings = settings_of(environment)
        assert pod["enableServiceLinks"] is False, "a service called tropa sets TROPA_PORT, which is a setting"
        assert pod["terminationGracePeriodSeconds"] > settings.drain_seconds
        assert (container["args"] == ["work"]) <= (settings.log is not None)
        several = workload["spec"]["replicas"] > 1
        assert several <= (settings.store != "sqlite" or settings.log is not None), "one file has one process"
        assert several <= bool(settings.write_keys and settings.admin_token), "each would make keys of its own"


def test_pods_are_confined_and_probed(manifests: list[dict[str, Any]]) -> None:
    for workload, pod, container in pods(manifests):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")}
        assert {probe["port"] for probe in probes.values()} <= set(ports)
        assert (probes["readiness"]["path"], probes["liveness"]["path"]) == ("/ready", "/health"), (
            "a store that is down kills nobody"
        )
        claimed = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())}
        assert {mount["name"] for mount in container["volumeMounts"]} == claimed | {volume["name"] for volume in pod["volumes"]}


def test_destinations_are_declared_once_and_can_be_used() -> None:
    tables = [(DEPLOY / "compose" / "tropa.toml").read_text("utf-8")]
    tables += [
        secret["tropa.toml"]
        for path in MANIFESTS
        for secret in secrets(list(yaml.safe_load_all(path.read_text()))).values()
        if "tropa.toml" in secret
    ]
    for table in tables:
        (one,) = declared(tomllib.loads(table)["destinations"])
        assert one.name == "warehouse"


# -- systemd


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_are_what_systemd_takes(unit: Path, tmp_path: Path) -> None:
    need("systemd-analyze", "apt-get install systemd")
    text = unit.read_text("utf-8").replace("/opt/tropa/bin/tropa", str(Path(sys.executable).with_name("tropa")))
    copy = tmp_path / unit.name.replace("@", "@1")
    copy.write_text(text.replace("User=tropa\nGroup=tropa", "User=nobody\nGroup=nogroup"))
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_leave_time_to_stop(unit: Path) -> None:
    text = unit.read_text("utf-8")
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(seconds) > Settings().drain_seconds
    assert "KillMode=mixed" in text


def test_environment_files_hold_settings() -> None:
    units = environment_file(DEPLOY / "systemd" / "tropa.env")
    settings = settings_of(units | environment_file(DEPLOY / "systemd" / "work-1.env"))
    assert (settings.log is not None, settings.store.startswith("postgresql://")) == (True, True), (
        "the lines that wait to be chosen too"
    )


# -- the image


def test_the_image_is_small_and_nobodys_root() -> None:
    parsed = DockerfileParser(path=str(DEPLOY / "Dockerfile"), cache_content=True)
    steps = [(step["instruction"], step["value"]) for step in parsed.structure]
    assert [value.split()[0] for kind, value in steps if kind == "FROM"] == ["python:${PYTHON}-slim"] * 2
    last = steps[max(number for number, (kind, _) in enumerate(steps) if kind == "FROM") :]
    kinds = [kind for kind, _ in last]
    assert dict(last)["USER"] == "10001"
    assert kinds.index("USER") < kinds.index("ENTRYPOINT")
    assert "READY_URL" in dict(last)["HEALTHCHECK"]
    assert "/ready" in dict(last)["ENV"]
    assert "COPY" not in kinds, "only wheels come from the stage that builds"
    taken = {source for kind, value in steps if kind == "COPY" for source in value.split()[:-1]}
    assert {source for source in taken if not (ROOT / source).exists()} == set()
    allowed = {
        line.removeprefix("!") for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")
    }
    assert taken == allowed, "the context holds what is copied"
    variables = dict(pair.split("=", 1) for pair in dict(last)["ENV"].split())
    assert settings_of(variables).admin_host == "0.0.0.0"


def test_the_image_installs_extras_that_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    named = re.findall(r"\[([a-z,]+)\]'", (DEPLOY / "Dockerfile").read_text("utf-8"))
    assert len(named) == 2
    assert {extra for names in named for extra in names.split(",")} <= set(extras)
