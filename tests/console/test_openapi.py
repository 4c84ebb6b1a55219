"""The description of the management API: every operation named once, said in words, and shaped."""

from typing import Any, Final, get_args

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from openapi_spec_validator import OpenAPIV31SpecValidator

from gantry.console.app import create_app
from gantry.console.filter_grammar import _OPERATORS
from gantry.console.filter_shapes import FilterOperator
from gantry.console.openapi import describe
from gantry.console.shapes import shape_of
from gantry.console.state import ConsoleState

# Routes that do not declare what they take and answer yet.
UNSHAPED: Final[frozenset[str]] = frozenset()


@pytest.fixture
def document(state: ConsoleState) -> dict[str, Any]:
    return describe(create_app(state))


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def test_each_operation_has_a_name_of_its_own_and_is_said_in_words(document: dict[str, Any]) -> None:
    described = operations(document)
    names = [operation["operationId"] for _, operation in described]
    assert sorted(names) == sorted(set(names))
    assert all(name.isidentifier() and len(name) <= 40 for name in names)
    silent = [path for path, operation in described if not (operation.get("description") and operation["summary"])]
    assert not silent


@pytest.mark.slow
def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert not [str(fault) for fault in OpenAPIV31SpecValidator(document).iter_errors()]


def test_it_says_who_may_use_an_operation(document: dict[str, Any]) -> None:
    def who(path: str, method: str) -> tuple[list[str], list[str]]:
        operation = document["paths"][path][method]
        return operation["x-scopes"], [name for one in operation["security"] for name in one]

    assert who("/api/request-logs/{log_id}", "delete") == (["manage"], ["ApiKey", "Session"])
    assert who("/api/request-logs", "post") == (["inference", "ingest"], ["ApiKey"])
    assert who("/api/session", "delete") == ([], ["Session"])
    assert who("/api/health-check", "get") == ([], [])


def test_every_route_in_the_description_is_shaped(state: ConsoleState) -> None:
    unshaped = {
        f"{method} {route.path_format}"
        for context in iter_route_contexts(create_app(state).routes)
        if isinstance(route := context.route, APIRoute) and route.include_in_schema and shape_of(route.endpoint) is None
        for method in route.methods or ()
    }
    assert unshaped <= UNSHAPED


def test_each_operator_that_is_described_is_one_that_is_read() -> None:
    assert set(get_args(FilterOperator)) == set(_OPERATORS)
