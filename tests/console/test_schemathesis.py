"""Schemathesis over the description of the management API: whatever is sent, nothing fails, and answers are as said.

Law: derandomized, so that what it finds it finds again; and bounded, so that it is run. What it sends is what the
description allows, about things that are there and things that are not. Streams of events have no end, and tests of
their own.
"""

from typing import Any, Final

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core import NotSet
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gantry.core.vocabulary import Scope
from gantry.store.logs import LogStore
from tests.console.conftest import Keys, bearer, log_id_at, make_log, store_logs

pytestmark = pytest.mark.slow

OF_AN_OPERATION: Final = 6  # requests
AS_DESCRIBED: Final = [status_code_conformance, content_type_conformance, response_schema_conformance]
BUSY: Final = 503  # a refusal on a machine that has no time, and no fault


def test_no_request_that_is_described_fails_or_is_answered_otherwise(
    client: TestClient, keys: Keys, logs: LogStore
) -> None:
    key, secret = keys.add(~Scope(0))
    store_logs(logs, *(make_log(key, number, customer_identifier="ada", model="a") for number in range(5)))
    there = {"log_id": log_id_at(1), "customer_identifier": "ada", "key_id": key.id, "what": "models"}
    schema = schemathesis.openapi.from_dict(client.get("/api/openapi.json").json())
    faults: list[str] = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if "text/event-stream" in str(operation.definition.raw["responses"]):
            continue  # it has no end
        faults += _faults_of(operation.as_strategy(), client, bearer(secret))
        named = {one.name: there[one.name] for one in operation.path_parameters if one.name in there}
        if named and operation.method == "get":  # not to delete what it asks with
            faults += _faults_of(operation.as_strategy(path_parameters=named), client, bearer(secret))
    assert not faults, "\n\n".join(faults)


def _faults_of(cases: SearchStrategy[Case[Any]], client: TestClient, headers: dict[str, str]) -> list[str]:
    faults: list[str] = []

    @given(cases)
    @settings(
        max_examples=OF_AN_OPERATION,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case: Case[Any]) -> None:
        body: dict[str, Any] = {} if isinstance(case.body, NotSet) else {"json": case.body}
        try:
            answer = client.request(case.method, case.formatted_path, params=case.query, headers=headers, **body)
            checks = AS_DESCRIBED if answer.status_code == BUSY else [not_a_server_error, *AS_DESCRIBED]
            case.validate_response(answer, checks=checks)
        except (AssertionError, FailureGroup) as fault:
            told = [str(one) for one in getattr(fault, "exceptions", (fault,))]
            faults.append(f"{case.method} {case.formatted_path} {case.query} {body}: {'; '.join(told)}"[:2000])

    send()
    return faults
