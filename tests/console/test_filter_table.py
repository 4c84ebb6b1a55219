"""Every operator, kind of field and connector against a naive evaluation of the same filter, on all engines."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from gantry.console.filter_grammar import read_filters
from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import Outcome
from gantry.store.database import Address
from gantry.store.log_filter import FilterRefused
from gantry.store.log_query import LogQuery
from gantry.store.logs import LogStore, RecordBatch
from tests.console.naive_filters import APPLIES, EQUALITY, KINDS, OPERATORS, ORDERING, holds, kind_of
from tests.store.conftest import address_of_logs as address
from tests.store.conftest import clickhouse_server, postgres_server
from tests.store.logs_of_tests import HOUR, ORGANIZATION, OTHER, make_log

__all__ = ["address", "clickhouse_server", "postgres_server"]

SECOND = 1_000_000_000
LOGS = [
    make_log("plain"),
    make_log(
        "full",
        model="mistral-large-latest",
        customer_identifier="Ann",
        stream=True,
        latency=2 * SECOND,
        time_to_first_token=SECOND // 2,
        cost=1_500_000,
        usage=Usage(input_tokens=10, output_tokens=30),
        temperature=0.3,
        max_tokens=256,
        metadata='{"team":"red","score":7,"flag":true,"nested":{"a":1},"none":null}',
        properties="{}",
        extra='{"prompt_id":"p1","category":"x"}',
        input='[{"role":"user","content":"How far is the toll bridge?\\nTell me"}]',
        output='{"role":"assistant","content":"The gantry is near the bridge."}',
        tools='["search","open_page"]',
        tool_calls="[]",
        warnings='["a, b"]',
        positive_feedback=True,
        note="Look here",
    ),
    make_log(
        "failed",
        model="mistral-small-latest",
        outcome=Outcome.UPSTREAM_ERROR,
        status_code=429,
        error_message="Rate limit 100% exceeded_",
        customer_identifier="",
        started_at=1000 * HOUR + 5 * SECOND,
        latency=SECOND,
        cost=0,
        usage=Usage(total_tokens=40),
        metadata='{"team":"Red","score":"12.5"}',
        span_parent_id="root",
        changes='["max_tokens"]',
        tools="[]",
        positive_feedback=False,
        is_pinned=True,
        note="",
    ),
    make_log(
        "élan",
        model="Mistral-É",
        customer_identifier="bob",
        usage=Usage(input_tokens=2**62, output_tokens=2**62),
        latency=1,
        metadata='{"team":null,"score":"many"}',
        extra='{"prompt_id":7}',
        input="toll road, plain text",
        output='{"role":"assistant","content":"Non."}',
        tools='["searching"]',
    ),
    make_log(
        "broken",
        metadata="{",
        extra="[1]",
        input='[{"role":"user","content":"gantry gantry toll"}]',
        outcome=Outcome.LOGGED,
    ),
    make_log("other", organization_id=OTHER, model="mistral-large-latest", input="toll"),
]
VALUES: dict[str, list[list[Any]]] = {
    "text": [
        ["red"],
        ["Ann", "plain"],
        ["mistral"],
        ["Mistral-é"],
        ["É"],
        [""],
        [7],
        ["12.5"],
        ["p1", None],
        ["rate LIMIT"],
    ],
    "number": [[0], [40], ["0.0015"], [2], [20, 429], [0.3, None]],
    "flag": [[True], ["false"], [None]],
    "time": [["1970-02-11T16:00:00Z"], ["1970-02-11T16:00:05+00:00"]],
    "list": [["search"], ["SEARCH", "max_tokens"], ["a, b"], [","]],
    "object": [["team"], ["RED"], ["nested", "none"], ["absent"]],
    "said": [["toll"], ["toll bridge"], ["bridge toll"], ["the gan"], ["content"], ["zebra", "Non"], ["TELL me"]],
}
WHOLE = ("prompt_tokens", "total_tokens", "all_tokens", "total_request_tokens", "status_code", "max_tokens")
FRACTIONS = {"0.0015", "0.3"}
PATTERNS: dict[str, list[list[Any]]] = {
    "regex": [["^mistral-[a-z]+-latest$"], ["[Rr]ed|Ann"], [r"\d+"]],
    "ilike": [["MISTRAL%"], ["%l_t%"], ["red"]],
    "trigram_word_similar": [["limits"], ["mistrals"], ["zebra"]],
    "isnull": [[], [True], ["false"]],
    "empty": [[], [False]],
    "notEmpty": [[], ["true"]],
    "not_empty": [[False]],
}


@pytest.fixture
def logs(address: Address) -> Iterator[LogStore]:
    store = LogStore(address)
    store.record(RecordBatch(logs=LOGS))
    yield store
    store.close()


def found(logs: LogStore, filters: dict[str, Any]) -> set[str]:
    return {
        log.log_id for log in logs.page(LogQuery(organization_id=ORGANIZATION, filters=read_filters(filters, str))).logs
    }


def expected(filters: dict[str, Any]) -> set[str]:
    return {log.log_id for log in MINE if holds(log, filters)}


MINE: list[RequestLog] = [log for log in LOGS if log.organization_id == ORGANIZATION]


def params() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operator on every field that takes it, with every value for it."""
    for kind, names in KINDS.items():
        for operator in sorted(APPLIES[kind]):
            for name, values in itertools.product(names, PATTERNS.get(operator, VALUES[kind])):
                if takes(operator, values) and not (name in WHOLE and FRACTIONS & {str(value) for value in values}):
                    yield name, {"operator": operator, "value": values}


def takes(operator: str, values: list[Any]) -> bool:
    if operator in ORDERING:
        return len(values) == 1 and values != [None]
    if operator in ("full_text_search", "trigram_word_similar"):
        return "" not in values and None not in values
    return None not in values or operator in EQUALITY or operator in ("not", "not_in", "not_overlap")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_operator_on_every_kind_of_field(logs: LogStore) -> None:
    wrong = []
    for name, param in params():
        filters = {name: param}
        if found(logs, filters) != expected(filters):
            wrong.append((filters, found(logs, filters), expected(filters)))
    assert wrong == []


@pytest.mark.slow
def test_connectors_lists_and_bundles(logs: LogStore) -> None:
    some: list[tuple[str, dict[str, Any]]] = [
        ("model", {"operator": "contains", "value": ["latest"]}),
        ("cost", {"operator": "not", "value": [0]}),
        ("messages", {"operator": "full_text_search", "value": ["toll"]}),
        ("metadata__team", {"operator": "iexact", "value": ["RED"]}),
        ("stream", {"value": [False]}),
    ]
    wrong = []
    for (one, a), (two, b), (three, c) in itertools.permutations(some, 3):
        for x, y in itertools.product(("AND", "OR"), repeat=2):
            again = {**a, "value": ["plain"]} if one == "messages" else {**a, "operator": "isnull", "value": []}
            forms: list[dict[str, Any]] = [
                {one: a, two: {**b, "connector": x}, three: {**c, "connector": y}},
                {one: a, "g": {"connector": x, "filter_params": {two: b, three: {**c, "connector": y}}}},
                {"connector": x, "filter_params": {one: a, "g": {"connector": y, "filter_params": {two: b, three: c}}}},
                {one: [a, {**again, "connector": x}], two: {**b, "connector": y}},
            ]
            for filters in forms:
                whole = {"whole": filters} if "filter_params" in filters else filters
                if found(logs, filters) != expected(whole):
                    wrong.append((filters, found(logs, filters), expected(whole)))
    assert wrong == []


def test_what_an_operator_cannot_mean_for_a_field_is_refused_by_both_names() -> None:
    for kind, names in KINDS.items():
        for name, operator in itertools.product(names, set(OPERATORS) - APPLIES[kind]):
            with pytest.raises(FilterRefused) as refused:
                read_filters({name: {"operator": operator, "value": VALUES[kind][0]}}, str)
            assert f"`{name}`" in str(refused.value)
            assert f"`{operator}`" in str(refused.value)
            assert kind_of(name) == kind
