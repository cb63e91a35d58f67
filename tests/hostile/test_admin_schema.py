"""Requests that the admin API's OpenAPI document allows, and some that it does not: every answer is one that it describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loadtests.collector_process import CollectorProcess
from loadtests.oracle.hostile.permissions import admin_routes
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from tropa_collector.admin.openapi import document

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 20
DOCUMENT = document(admin_routes())
OPERATIONS: dict[str, Any] = {
    result.ok().label: result.ok()
    for result in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
    if isinstance(result, Ok)
}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """With a person in it whom references may mean, and something refused."""
    with CollectorProcess(tmp_path_factory.mktemp("admin") / "data") as process:
        process.post("/v1/identify", {"type": "identify", "userId": "42", "traits": {"email": "anna@example.com"}})
        process.post("/v1/track", {"type": "track", "userId": "42"})
        yield process


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_operation_answers_as_it_is_described(label: str, collector: CollectorProcess) -> None:
    operation, headers = OPERATIONS[label], {"Authorization": f"Bearer {collector.admin_token}"}
    allowed, forbidden = (
        operation.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    )

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(allowed, forbidden))
    def ask(case: Case[Any]) -> None:
        case.call_and_validate(base_url=collector.admin_url, headers=headers, checks=CHECKS)

    ask()


def test_the_document_has_every_route_of_the_api(collector: CollectorProcess) -> None:
    assert collector.admin("/api/v1/openapi.json") == DOCUMENT
    assert {"GET /api/v1/events", "DELETE /api/v1/contacts/{ref}", "POST /api/v1/import"} <= OPERATIONS.keys()
    methods = ("GET ", "POST ", "DELETE ", "PUT ")
    undescribed = [label for label, one in OPERATIONS.items() if one.definition.raw["summary"].startswith(methods)]
    assert undescribed == [], "say in admin/openapi.py what it does"


def test_the_document_says_how_to_read_a_list_to_its_end() -> None:
    lists = [
        {one["name"]: one.get("description", "") for one in operation["parameters"]}
        for path in DOCUMENT["paths"].values()
        for operation in path.values()
    ]
    assert ["until `next` is null" in one["before"] for one in lists if "before" in one] == [True] * 5


def test_a_row_of_an_import_may_name_the_ids_of_other_systems() -> None:
    body = DOCUMENT["paths"]["/api/v1/import"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    row = {"row": 1, "userId": "42", "context": {"externalIds": [{"type": "ext.crm", "id": "7"}]}}
    jsonschema.validate({"import": "crm", "at": "2026-11-21T00:00:00Z", "rows": [row]}, body)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"import": "crm", "at": "2026-11-21T00:00:00Z", "rows": [{**row, "context": {"page": {}}}]}, body)
