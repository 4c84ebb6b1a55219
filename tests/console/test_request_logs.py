"""console/request_logs: what is listed to whom, in which words and units."""

import msgspec
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
            cost_by_unit='{"input_tokens":400000,"output_tokens":600000}',
            price_source="catalogue",
            customer_identifier="user_123",
            metadata='{"a":1.00,"n":12345678901234567890123}',
            extra='{"category":"c","temperature":0.50}',
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
            "units": {"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 5},
            "cost": 0.001,
            "cost_by_unit": {"input_tokens": 0.0004, "output_tokens": 0.0006},
            "hedge_cost": None,
            "price_source": "catalogue",
            "price_missing": False,
            "cache_hit": False,
            "cache_key": None,
            "cache_savings": None,
            "input": '[{"role":"user","content":"hi"}]',
            "output": '{"role":"assistant","content":"hello"}',
            "prompt_messages": [{"role": "user", "content": "hi"}],
            "completion_message": {"role": "assistant", "content": "hello"},
            "tools": None,
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
            "changes": None,
            "content_truncated": False,
            "is_pinned": False,
            "positive_feedback": None,
            "note": None,
            "scores": {},
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
    assert (full["category"], full["temperature"], full["limit_info"]) == ("c", 0.5, None)


def test_a_log_shows_the_limits_it_passed_and_what_it_was_charged(
    client: TestClient, keys: Keys, logs: LogStore
) -> None:
    key, secret = keys.add()
    info = {
        "is_allowed": True,
        "limits": [
            {
                "name": "org_credits",
                "current_value": 0.5,
                "new_value": 0.75,
                "limit_value": 10.0,
                "is_within_limit": True,
            }
        ],
    }
    charged = make_log(key, 1, limit_info=msgspec.json.encode(info).decode(), charged=1_200, customer_cost=2_000)
    store_logs(logs, charged, make_log(key, 2))
    shown = client.get(f"/api/request-logs/{log_id_at(1)}/", headers=bearer(secret)).json()
    assert (shown["limit_info"], shown["respan_params"]) == (info, {"limit_info": info})
    assert (shown["charged"], shown["customer_cost"]) == (1.2e-6, 2e-6)
    other = client.get(f"/api/request-logs/{log_id_at(2)}/", headers=bearer(secret)).json()
    assert (other["limit_info"], other["charged"], other["customer_cost"]) == (None, None, None)


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
        ("model[value]=a&model[operator]=has_key", None, "`model` with the operator `has_key`"),
        ("model[value]=a&model[operator]=like", None, "`model` has the unknown operator `like`"),
        ("model[value]=a&model[connector]=XOR", None, "AND or OR, not `XOR`"),
        ("model[operator]=", None, "no value"),
        ("model[operator]=regex&model[value]=(a%2B)%2B", None, "no repeated group"),
        ("model[operator]=regex&model[value]=(", None, "no regular expression"),
        ("model[operator]=ilike&model[value]=a%5C", None, "ends with a backslash"),
        ("search=!!", None, "needs a word"),
        ("cursor=x", None, "`cursor` is not one of ours"),
        ("model=a&model=b", None, "more than once"),
        ("stream=maybe", None, "`stream` with the operator `` needs true or false"),
        ("cost=much", None, "needs a number"),
        ("cost=NaN", None, "needs a number"),
        ("cost=1e12", None, "no log can have"),
        ("prompt_tokens=1.5", None, "whole number"),
        ("prompt_tokens=" + "9" * 30, None, "no log can have"),
        ("model=a%00b", None, "NUL"),
        ("sort_by=-secret", None, "Sorting by `secret`"),
        ("page=0", None, "`page`"),
        ("page=x", None, "`page`"),
        ("page_size=1001", None, "from 1 to 1000"),
        ("start_time=yesterday", None, "ISO 8601"),
        ("environment=staging", None, "prod or test"),
        ("all_envs=perhaps", None, "true or false"),
        ("fetch_filters=maybe", None, "fetch_filters"),
        ("", b"[]", "The body must be like"),
        ("", b"{", "The body must be like"),
        ("", b"\xff", "The body must be like"),
        ("", b"[" * 60_000, "The body must be like"),
        ("", b'{"filters":{"model":"a"}}', 'must be like {"operator"'),
        ("", b'{"filters":{"model":[]}}', "empty list"),
        ("", b'{"filters":{"cost":{"operator":"gte","value":["a"]}}}', "`cost` with the operator `gte` needs a number"),
        ("", b'{"filters":{"cost":{"operator":"gte","value":[1,2]}}}', "exactly one value"),
        ("", b'{"filters":{"cost":{"operator":"contains","value":[1]}}}', "`cost` with the operator `contains`"),
        ("", b'{"filters":{"model":{"operator":"","value":[]}}}', "no value"),
        ("", b'{"filters":{"model":{"operator":"","value":[{}]}}}', "needs a text"),
        ("", b'{"filters":{"model":{"value":[' + b'"a",' * 1000 + b'"a"]}}}', "more than 1000 values"),
        ("", b'{"filters":' + b'{"filter_params":{"a":' * 20 + b"{}" + b"}}" * 20 + b"}", "nested deeper"),
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


def test_fields_of_the_full_log_can_be_added(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    store_logs(logs, make_log(key, 1, full_request=b'{"a":1.00}', input="hi"))
    query = "?include_fields=full_request,no_such_field&exclude=input,output,prompt_messages,completion_message"
    answer = client.get(LIST + query, headers=bearer(secret))
    (item,) = answer.json()["results"]
    assert b'"full_request":{"a":1.00}' in answer.content
    assert item["no_such_field"] is None
    assert "input" not in item


def test_filters_of_a_body_can_stand_in_the_url(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    store_logs(logs, *(make_log(key, number, model="abc"[number - 1]) for number in (1, 2, 3)))
    either = '{"model":{"value":["a"]},"other":{"filter_params":{"model":{"value":["c"]}}}}'
    written = f'{{"any":{{"connector":"OR","filter_params":{either}}}}}'
    answer = client.get(LIST, headers=bearer(secret), params={"filters": written})
    assert sorted(numbers_of(answer)) == [1, 3]
    assert numbers_of(client.get(LIST, headers=bearer(secret), params={"filters": written, "model": "c"})) == [3]
    for wrong in ("model", "[]", '{"model"'):
        refused = client.get(LIST, headers=bearer(secret), params={"filters": wrong})
        assert (refused.status_code, refused.json()["param"]) == (400, "filters")


def test_previews_stand_for_what_is_left_out(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    said = '[{"role":"system","content":"Be kind."},{"role":"user","content":"How\\n  far?"}]'
    store_logs(logs, make_log(key, 1, input=said, output="x" * 1000))
    query = "?include_fields=input_preview,output_preview&exclude=input,output,prompt_messages,completion_message"
    (item,) = client.get(LIST + query, headers=bearer(secret)).json()["results"]
    assert (item["input_preview"], len(item["output_preview"])) == ("How far?", 240)
    assert not {"input", "output", "full_request"} & item.keys()


def test_links_go_through_all_pages_and_back_while_logs_arrive(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    store_logs(
        logs, *(make_log(key, number, cost=number % 3 * 1000 if number % 4 else None) for number in range(1, 24))
    )
    for order in ("-id", "id", "cost", "-cost", "-tokens_per_second", "model"):
        whole = numbers_of(client.get(f"{LIST}?sort_by={order}", headers=bearer(secret)))
        seen: list[int] = []
        pages: list[list[int]] = []
        url = f"{LIST}?page_size=5&sort_by={order}"
        while url:
            page = client.get(url, headers=bearer(secret))
            pages.append(numbers_of(page))
            seen += pages[-1]
            url, back = page.json()["next"], page.json()["previous"]
            assert (page.json()["count"], page.json()["count_is_exact"]) == (23, True)
        assert seen == whole, order
        for expected in pages[-2::-1]:
            page = client.get(back, headers=bearer(secret))
            assert numbers_of(page) == expected, order
            back = page.json()["previous"]
        assert back is None
    first = client.get(f"{LIST}?page_size=5", headers=bearer(secret)).json()
    store_logs(logs, make_log(key, 0))
    assert numbers_of(client.get(first["next"], headers=bearer(secret))) == [6, 7, 8, 9, 10]


def test_a_search_finds_words_phrases_and_beginnings(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    other, _ = keys.add()
    store_logs(
        logs,
        make_log(key, 1, input='[{"role":"user","content":"A red gantry\\nstands"}]', output="über all"),
        make_log(key, 2, input="a gantry, red", environment=Environment.TEST),
        make_log(key, 3, output='{"content":"red"}'),
        make_log(other, 4, input="red gantry"),
        make_log(key, 5, organization_id="another", input="red gantry"),
    )
    for search, expected in (
        ("red", [3, 1]),
        ("RED gantry", [1]),
        ('"red gantry"', [1]),
        ('"gantry red"', []),
        ("gan*", [1]),
        ("gan", []),
        ("stands", [1]),
        ("über", [1]),
        ("user", []),
        ("red OR nothing", []),
    ):
        answer = client.get(LIST, params={"search": search}, headers=bearer(secret))
        assert (answer.json()["count"], numbers_of(answer)) == (len(expected), expected), search


def test_sums_and_averages(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    other, reader = keys.add(Scope.READ)
    store_logs(
        logs,
        make_log(
            key,
            1,
            model="a",
            cost=1_500_000,
            usage=Usage(input_tokens=10, output_tokens=3, cached_input_tokens=4),
            time_to_first_token=SECOND,
        ),
        make_log(key, 2, model="b", latency=None, status_code=500, usage=Usage(total_tokens=7)),
        make_log(other, 3, model="a"),
        make_log(key, 90, model="a"),
    )
    own = client.get("/api/request-logs/summary/", headers=bearer(secret)).json()
    assert own == {
        "number_of_requests": 2,
        "number_of_errors": 1,
        "total_cost": 0.0015,
        "total_tokens": 20,
        "total_prompt_tokens": 10,
        "total_completion_tokens": 3,
        "avg_latency": 1.5,
        "avg_tps": 2.0,
        "avg_ttft": 1.0,
        "number_of_cache_hits": 0,
        "total_cache_savings": 0.0,
        "total_prompt_cache_hit_tokens": 4,
        "prompt_cache_hit_rate": 0.4,
        "scores": {},
        "current_filters": {},
    }
    day = "?start_time=2026-11-18T00:00:00Z"
    for query, filters, count in (
        (day, {}, 4),
        (day, {"model": {"value": ["a"]}}, 3),
        (day, {"cost": {"operator": "gt", "value": [0.001]}}, 1),
        ("", {"model": {"value": ["a"]}, "organization_key_id": {"value": [other.id]}}, 1),
    ):
        answer = client.post(f"/api/request-logs/summary{query}", headers=bearer(reader), json={"filters": filters})
        assert answer.json()["number_of_requests"] == count, (query, filters)


def test_what_there_is_to_filter_by(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add()
    store_logs(logs, make_log(key, 1, model="b"), make_log(key, 2, model="a"), make_log(key, 3))
    data = client.get(LIST + "?fetch_filters=true", headers=bearer(secret)).json()["filters_data"]
    assert data["model"]["options"] == ["a", "b"]
    assert data["stream"] == {"kind": "boolean", "operators": ["", "empty", "isnull"], "options": [False, True]}
    assert "gte" in data["cost"]["operators"]


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "2262-04-11T00:00:00Z", "2832-03-31T23:32:32Z"])
def test_times_that_no_log_can_have_are_no_failure(client: TestClient, keys: Keys, time: str) -> None:
    _, secret = keys.add()
    for query in (f"?start_time={time}", f"?end_time={time}"):
        answer = client.get("/api/request-logs/summary/" + query, headers=bearer(secret))
        assert (answer.status_code, answer.json()["number_of_requests"]) == (200, 0)
