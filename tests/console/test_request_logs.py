"""console/request_logs: what is listed to whom, in which words and units."""

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from gantry.core.usage import Usage
from gantry.core.vocabulary import DEFAULT_SCOPES, Environment, LogMethod, Outcome, Scope
from gantry.dialects.posted import log_id_of
from gantry.store.logs import LogStore
from tests.console.conftest import NOW, SECOND, Keys, bearer, log_id_at, make_log, store_logs

LIST = "/api/request-logs/list/"
ONE = f"/api/request-logs/{log_id_at(1)}/"


def ids_of(answer: Response) -> list[str]:
    return [item["id"] for item in answer.json()["results"]]


def numbers_of(answer: Response) -> list[int]:
    """Return the numbers of the listed logs, as `make_log` was given them."""
    return [int(log_id, 16) for log_id in ids_of(answer)]


def test_an_item_in_full(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    store_logs(
        logs,
        make_log(
            key,
            1,
            log_method=LogMethod.LOGGING_API,
            outcome=Outcome.LOGGED,
            model="mistral-large-latest",
            provider_id="mistral",
            deployment_name="main",
            started_at=NOW - 90 * SECOND,
            ended_at=NOW - 88 * SECOND - 500_000_000,
            latency=1_200_000_000,
            time_to_first_token=200_000_000,
            stream=True,
            usage=Usage(input_tokens=10, output_tokens=5, cached_input_tokens=4),
            cost=1_000_000,
            customer_identifier="user_123",
            metadata='{"a":1.00,"n":12345678901234567890123}',
            extra='{"note":"n","temperature":0.50}',
            input='[{"role":"user","content":"hi"}]',
            output='{"role":"assistant","content":"hello"}',
            full_request=b'{"model":"m","x":1.00}',
            full_response=b"data: {}\n\n",
        ),
    )
    answer = client.get(LIST, headers=bearer(secret))
    assert answer.status_code == 200
    page = answer.json()
    assert (page["count"], page["next"], page["previous"], page["current_filters"]) == (1, None, None, {})
    assert page["results"] == [
        {
            "id": log_id_at(1),
            "unique_id": log_id_at(1),
            "organization_id": key.organization_id,
            "organization_key_id": key.id,
            "environment": "prod",
            "log_method": "logging_api",
            "log_type": "chat",
            "operation": "chat",
            "status": "success",
            "failed": False,
            "outcome": "logged",
            "status_code": 200,
            "error_message": None,
            "warnings": None,
            "model": "mistral-large-latest",
            "requested_model": None,
            "provider_id": "mistral",
            "deployment_name": "main",
            "stream": True,
            "timestamp": "2026-11-18T11:05:11.500000Z",
            "start_time": "2026-11-18T11:05:10Z",
            "latency": 1.2,
            "time_to_first_token": 0.2,
            "tokens_per_second": 5.0,
            "routing_time": None,
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_request_tokens": 15,
            "reasoning_tokens": None,
            "prompt_cache_hit_tokens": 4,
            "prompt_cache_creation_tokens": None,
            "usage_estimated": False,
            "cost": 0.001,
            "price_missing": False,
            "input": '[{"role":"user","content":"hi"}]',
            "output": '{"role":"assistant","content":"hello"}',
            "prompt_messages": [{"role": "user", "content": "hi"}],
            "completion_message": {"role": "assistant", "content": "hello"},
            "tool_calls": None,
            "finish_reason": None,
            "customer_identifier": "user_123",
            "customer_name": None,
            "customer_email": None,
            "thread_identifier": None,
            "custom_identifier": None,
            "group_identifier": None,
            "trace_unique_id": None,
            "span_unique_id": None,
            "span_parent_id": None,
            "span_name": None,
            "metadata": {"a": 1.0, "n": 12345678901234567890123},
            "properties": None,
            "content_truncated": False,
        }
    ]
    assert b'"metadata":{"a":1.00,"n":12345678901234567890123}' in answer.content

    one = client.get(ONE, headers=bearer(secret))
    assert one.status_code == 200
    full = one.json()
    assert page["results"][0].items() <= full.items()
    assert full["full_request"] == {"model": "m", "x": 1.0}
    assert b'"full_request":{"model":"m","x":1.00}' in one.content
    assert full["full_response"] == "data: {}\n\n"
    assert (full["note"], full["temperature"]) == ("n", 0.5)


def test_what_is_unknown_is_null_and_text_is_no_message(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    unknown = make_log(
        key, 1, latency=None, usage=Usage(), outcome=Outcome.UPSTREAM_ERROR, status_code=429, input="hi", metadata="{"
    )
    store_logs(logs, unknown)
    (item,) = client.get(LIST, headers=bearer(secret)).json()["results"]
    assert item["status"] == "error"
    assert [
        item[name] for name in ("cost", "latency", "tokens_per_second", "prompt_tokens", "total_request_tokens")
    ] == [None] * 5
    assert (item["input"], item["prompt_messages"], item["metadata"]) == ("hi", None, "{")


def test_a_key_sees_its_own_logs_and_a_reader_its_organizations(client: TestClient, keys: Keys, logs: LogStore) -> None:
    one, one_secret = keys.add()
    two, two_secret = keys.add()
    _, reader_secret = keys.add(Scope.READ)
    foreign = make_log(one, 3, organization_id="another")
    store_logs(logs, make_log(one, 1), make_log(two, 2), foreign)
    assert numbers_of(client.get(LIST, headers=bearer(one_secret))) == [1]
    assert numbers_of(client.get(LIST, headers=bearer(two_secret))) == [2]
    assert numbers_of(client.get(LIST, headers=bearer(reader_secret))) == [1, 2]
    assert numbers_of(client.get(LIST + f"?organization_key_id={two.id}", headers=bearer(reader_secret))) == [2]
    refused = client.get(LIST + f"?organization_key_id={two.id}", headers=bearer(one_secret))
    assert refused.status_code == 400
    assert "own logs only" in refused.json()["detail"]
    for secret, status in ((one_secret, 200), (two_secret, 404), (reader_secret, 200)):
        answer = client.get(ONE, headers=bearer(secret))
        assert answer.status_code == status
        if status == 404:
            assert answer.json() == {"detail": "Log not found"}
    assert client.get(f"/api/request-logs/{log_id_at(3)}/", headers=bearer(reader_secret)).status_code == 404


def test_environments(client: TestClient, keys: Keys, logs: LogStore) -> None:
    prod, _ = keys.add()
    test, _ = keys.add(environment=Environment.TEST)
    _, reader = keys.add(Scope.READ)
    store_logs(logs, make_log(prod, 1), make_log(test, 2))
    for query, expected in (
        ("", [1]),
        ("?environment=test", [2]),
        ("?is_test=true", [2]),
        ("?is_test=false&all_envs=true", [1]),
        ("?all_envs=true", [1, 2]),
    ):
        assert numbers_of(client.get(LIST + query, headers=bearer(reader))) == expected, query


def test_pages_time_and_order(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    store_logs(logs, *(make_log(key, number, cost=number * 1000) for number in (1, 2, 3, 50, 70)))
    first = client.get(LIST + "?page_size=2&sort_by=-cost", headers=bearer(secret))
    assert numbers_of(first) == [50, 3]
    page = first.json()
    assert page["count"] == 4
    assert page["previous"] is None
    second = client.get(page["next"], headers=bearer(secret))
    assert numbers_of(second) == [2, 1]
    assert second.json()["next"] is None
    assert numbers_of(client.get(second.json()["previous"], headers=bearer(secret))) == [50, 3]
    for query, expected in (
        ("start_time=2026-11-18T09:30:00Z", [1, 2, 3, 50, 70]),
        ("start_time=2026-11-18T10:30:00%2B01:00&end_time=2026-11-18T11:00:00", [50, 70]),
        ("sort_by=id", [50, 3, 2, 1]),
        ("sort_by=timestamp", [50, 3, 2, 1]),
    ):
        assert numbers_of(client.get(f"{LIST}?{query}", headers=bearer(secret))) == expected, query


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("model=a", [1]),
        ("model[value]=a&model[operator]=", [1]),
        ("model[value]=a&model[operator]=eq&model[connector]=and", [1]),
        ("cost=0.0015", [1]),
        ("latency=1.2", [2]),
        ("prompt_tokens=10&model=b", [2]),
        ("stream=true", [2]),
        ("status_code=429", [2]),
        ("customer_identifier=u%20v", [1]),
        ("metadata__feature=search", [1]),
        ("feature=search", [1]),
        ("model=a&stream=true", []),
        ("model=%27%20OR%201%3D1", []),
    ],
)
def test_equality_filters(client: TestClient, keys: Keys, logs: LogStore, query: str, expected: list[int]) -> None:
    key, secret = keys.add()
    store_logs(
        logs,
        make_log(
            key, 1, model="a", cost=1_500_000, customer_identifier="u v", metadata='{"feature":"search"}', latency=None
        ),
        make_log(key, 2, model="b", stream=True, latency=1_200_000_000, status_code=429),
    )
    answer = client.get(f"{LIST}?{query}", headers=bearer(secret))
    assert answer.status_code == 200, answer.text
    assert numbers_of(answer) == expected


def test_filters_in_the_body(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    store_logs(logs, make_log(key, 1, model="a", cost=1_000_000), make_log(key, 2, model="b"))
    body = {"filters": {"model": {"operator": "", "value": ["a"]}, "cost": {"operator": "==", "value": [0.001]}}}
    answer = client.post(LIST, headers=bearer(secret), json=body)
    assert numbers_of(answer) == [1]
    assert answer.json()["current_filters"] == body["filters"]
    assert numbers_of(client.post(LIST + "?model=b", headers=bearer(secret), json={})) == [2]
    assert numbers_of(client.post(LIST, headers=bearer(secret))) == [1, 2]
    assert numbers_of(client.post(LIST, headers=bearer(secret), json={"filters": {"cost": {"value": [None]}}})) == [2]


@pytest.mark.parametrize(
    ("query", "body", "words"),
    [
        ("model[value]=a&model[operator]=contains", None, "operator `contains`"),
        ("model[value]=a&model[connector]=OR", None, "AND only"),
        ("model[operator]=", None, "no value"),
        ("model=a&model=b", None, "more than once"),
        ("status=error", None, "`status` is not supported"),
        ("stream=maybe", None, "stream cannot be"),
        ("cost=much", None, "needs a number"),
        ("cost=NaN", None, "needs a number"),
        ("cost=1e12", None, "no log can have"),
        ("prompt_tokens=1.5", None, "whole number"),
        ("prompt_tokens=" + "9" * 30, None, "no log can have"),
        ("model=a%00b", None, "NUL"),
        ("sort_by=-secret", None, "Sorting by `secret`"),
        ("sort_by=scores__1", None, "Sorting by"),
        ("page=0", None, "`page`"),
        ("page=x", None, "`page`"),
        ("page_size=1001", None, "from 1 to 1000"),
        ("start_time=yesterday", None, "ISO 8601"),
        ("environment=staging", None, "prod or test"),
        ("all_envs=perhaps", None, "true or false"),
        ("fetch_filters=true", None, "fetch_filters"),
        ("", b"[]", "The body must be like"),
        ("", b"{", "The body must be like"),
        ("", b"\xff", "The body must be like"),
        ("", b"[" * 60_000, "The body must be like"),
        ("", b'{"filters":{"model":"a"}}', "The body must be like"),
        ("", b'{"filters":{"model":{"operator":"gte","value":["a"]}}}', "operator `gte`"),
        ("", b'{"filters":{"model":{"operator":"","value":["a","b"]}}}', "exactly one value"),
        ("", b'{"filters":{"model":{"operator":"","value":[]}}}', "exactly one value"),
        ("", b'{"filters":{"modle":{"operator":"","value":["a"]}}}', "no field `modle`"),
    ],
)
def test_what_cannot_be_applied_is_refused_by_name(
    client: TestClient, keys: Keys, query: str, body: bytes | None, words: str
) -> None:
    _, secret = keys.add()
    method = "GET" if body is None else "POST"
    answer = client.request(method, f"{LIST}?{query}", headers=bearer(secret), content=body)
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["detail"]


def test_times_beyond_the_range_of_the_store_are_its_ends(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    store_logs(logs, make_log(key, 1))
    query = "start_time=0001-01-01T00:00:00Z&end_time=9999-12-31T00:00:00Z"
    assert numbers_of(client.get(f"{LIST}?{query}", headers=bearer(secret))) == [1]


def test_a_log_is_found_by_the_unique_id_that_its_poster_chose(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    log_id = log_id_of(key.organization_id, "order-7")
    store_logs(logs, make_log(key, 1, log_id=log_id), make_log(key, 2))
    assert client.get("/api/request-logs/order-7/", headers=bearer(secret)).json()["id"] == log_id
    for given in (log_id, "order-7"):
        assert ids_of(client.get(f"{LIST}?unique_id={given}", headers=bearer(secret))) == [log_id]


def test_fields_can_be_left_out(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add(DEFAULT_SCOPES)
    store_logs(logs, make_log(key, 1))
    (item,) = client.get(LIST + "?exclude=input,output,nothing", headers=bearer(secret)).json()["results"]
    assert not {"input", "output"} & set(item)


def test_filters_are_bounded(client: TestClient, keys: Keys) -> None:
    _, secret = keys.add()
    assert client.post(LIST, headers=bearer(secret), content=b" " * 70_000).status_code == 413
