"""Dashboards: Respan's shapes for older and newer clients, charts without holes, and the same figures as the logs'."""

import random
from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from msgspec import structs

from gantry.console.usage_item import METRICS
from gantry.core.log_figures import is_cache_hit, tokens_per_second, total_tokens
from gantry.core.request_log import CACHED_MODEL, RequestLog
from gantry.core.secret import Secret
from gantry.core.usage import Usage
from gantry.core.vocabulary import DEFAULT_SCOPES, Environment, Outcome, Scope
from gantry.home import Home, Keyring
from gantry.store.cached_answers import AnswerGiven, AnswerKept, CacheChanges
from gantry.store.control import ControlStore
from gantry.store.keys import ApiKey
from gantry.store.logs import LogStore, RecordBatch
from tests.console.conftest import NOW, SECOND, Keys, bearer, make_log, store_logs
from tests.console.test_deployment_health import neighbour, stored

BOARD = "/api/dashboard/"
DOLLAR = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
Headers = dict[str, str]
Owner = tuple[ApiKey, Headers]


@pytest.fixture
def owner(keys: Keys) -> Owner:
    key, secret = keys.add(DEFAULT_SCOPES | Scope.READ)
    return key, bearer(secret)


@pytest.fixture
def reader(owner: Owner) -> Headers:
    return owner[1]


@pytest.fixture
def called(owner: Owner, keys: Keys, logs: LogStore, home: Home, keyring: Keyring) -> list[RequestLog]:
    """Some hundred calls of 40 days, by two keys."""
    chance = random.Random(3)
    credential = stored(home, keyring, keys.organization_id)
    other = keys.add()[0]
    some = [
        make_log(
            chance.choice((owner[0], other)),
            number,
            started_at=NOW - chance.randrange(40 * DAY),
            model=chance.choice(("a", "b", "c", None, CACHED_MODEL)),
            provider_id=chance.choice(("mistral", "openai")),
            credential_id=chance.choice((credential.id, None)),
            customer_identifier=chance.choice(("ada", "bob", "eve", None)),
            extra=chance.choice(('{"prompt_id":"p1"}', None)),
            environment=chance.choice((Environment.PROD, Environment.PROD, Environment.TEST)),
            outcome=chance.choice((Outcome.SUCCESS, Outcome.SUCCESS, Outcome.UPSTREAM_ERROR)),
            latency=chance.choice((None, chance.randrange(1, 10 * SECOND))),
            time_to_first_token=chance.choice((None, SECOND // 4)),
            cost=chance.choice((None, chance.randrange(DOLLAR))),
            cache_savings=chance.choice((None, 70)),
            metadata=chance.choice(('{"team":"red"}', None)),
            usage=Usage(
                input_tokens=chance.choice((None, 10)),
                output_tokens=chance.choice((None, 30)),
                cached_input_tokens=chance.choice((None, 4)),
                reasoning_tokens=chance.choice((None, 2)),
            ),
            request_bytes=chance.randrange(999),
        )
        for number in range(1, 400)
    ]
    some = [log if log.model == CACHED_MODEL else structs.replace(log, cache_savings=None) for log in some]
    store_logs(logs, *some)
    return some


def naive(logs: list[RequestLog], length: float) -> dict[str, Any]:
    """Work out the metrics of some calls as their documentation says, one by one."""
    bought = [log for log in logs if not is_cache_hit(log)]
    speeds = [speed for log in logs if (speed := tokens_per_second(log)) is not None]
    count = len(logs)
    errors = sum(log.outcome is not Outcome.SUCCESS for log in logs)

    def mean(values: list[float]) -> float | None:
        return sum(values) / len(values) if values else None

    prompt = sum(log.usage.input_tokens or 0 for log in bought)
    completion = sum(log.usage.output_tokens or 0 for log in bought)
    tokens = sum(total_tokens(log) or 0 for log in bought)
    cost = sum(log.cost or 0 for log in logs) / DOLLAR
    return {
        "number_of_requests": count,
        "total_cost": cost,
        "total_prompt_tokens": prompt,
        "total_completion_tokens": completion,
        "total_tokens": tokens,
        "error_count": errors,
        "error_percentage": 100 * errors / count if count else None,
        "average_prompt_tokens": prompt / count if count else None,
        "average_completion_tokens": completion / count if count else None,
        "average_tokens": tokens / count if count else None,
        "average_cost": cost / count if count else None,
        "average_tps": mean(speeds),
        "average_latency": mean([log.latency / SECOND for log in logs if log.latency is not None]),
        "average_ttft": mean([log.time_to_first_token / SECOND for log in logs if log.time_to_first_token is not None]),
        "prompt_cache_hit_tokens": sum(log.usage.cached_input_tokens or 0 for log in bought),
        "reasoning_tokens": sum(log.usage.reasoning_tokens or 0 for log in bought),
        "cache_hit_percentage": 100 * (count - len(bought)) / count if count else None,
        "requests_per_second": count / length,
    }


class about:  # noqa: N801 - read like pytest.approx
    """Equal to metrics that are nearly the same; null is null."""

    def __init__(self, expected: dict[str, Any]) -> None:
        self._expected = expected

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and other == {
            name: None if value is None else pytest.approx(value, rel=1e-3, abs=1e-9)  # speeds are kept in thousandths
            for name, value in self._expected.items()
        }

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return repr(self._expected)


def post(client: TestClient, headers: Headers, path: str, body: Any = None, **query: Any) -> Any:
    answer = client.post(f"{BOARD}{path}/", headers=headers, params=query, json=body or {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def times(start: int, end: int) -> dict[str, str]:
    return {"start_time": iso(start), "end_time": iso(end)}


def iso(ns: int) -> str:
    return datetime.fromtimestamp(ns / SECOND).astimezone().isoformat()


def begins(row: dict[str, Any]) -> int:
    return round(datetime.fromisoformat(row["date_group"]).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("offset", "tick", "days"),
    [(0, "day", 30), (5.5, "day", 30), (-9.5, "hour", 3), (0, "hour", 3), (5.75, "week", 38)],
)
@pytest.mark.parametrize("filters", [None, {"metadata__team": {"value": ["red"]}}, {"model": {"value": ["a", "b"]}}])
def test_rows_are_what_the_logs_say(
    client: TestClient, reader: Headers, called: list[RequestLog], offset: float, tick: str, days: int, filters: Any
) -> None:
    since, until = NOW - days * DAY, NOW - 7 * HOUR
    query = {**times(since, until), "timezone_offset": offset, "time_tick": tick, "environment": "prod"}
    answer = post(client, reader, "llm-metrics", {"filters": filters}, **query)
    rows, ours = answer["data"], [log for log in called if log.environment is Environment.PROD]
    if filters is not None:
        ours = [log for log in ours if log.metadata or "model" in filters]
        ours = [log for log in ours if log.model in ("a", "b") or "model" not in filters]
    starts = [begins(row) for row in rows]
    step = {"hour": HOUR, "day": DAY, "week": 7 * DAY}[tick]
    assert starts == list(range(starts[0], starts[-1] + 1, step)), "no holes"
    for row, start in zip(rows, starts, strict=True):
        first, last = max(start, since), min(start + step, until)
        inside = [log for log in ours if first <= log.started_at < last]
        assert row.pop("date_group").endswith("Z" if not offset else f"{int(offset):+03}:{abs(offset) % 1 * 60:02.0f}")
        assert row == about(naive(inside, (last - first) / SECOND))
    inside = [log for log in ours if since <= log.started_at < until]
    assert answer["summary"] == about(naive(inside, (until - since) / SECOND))
    summary = post(client, reader, "llm-metrics/summary", {"filters": filters}, **query)
    before = [log for log in ours if since - (until - since) <= log.started_at < since]
    assert summary.pop("previous_period") == about(naive(before, (until - since) / SECOND))
    assert summary == answer["summary"]


def test_older_clients_say_the_range_in_the_body_and_get_bare_rows(
    client: TestClient, reader: Headers, called: list[RequestLog]
) -> None:
    body = {**times(NOW - 3 * DAY, NOW), "time_tick": "day", "metrics_to_aggregate": ["total_cost", "error_count"]}
    rows = post(client, reader, "llm-metrics", body)
    assert [set(row) for row in rows] == [{"date_group", "total_cost", "error_count"}] * 4
    summary = post(client, reader, "llm-metrics/summary", body)
    assert {"total_cost", "error_count"} <= summary.keys()
    assert sum(row["total_cost"] for row in rows) == pytest.approx(summary["total_cost"])
    for path in ("quantiles", "users", "cache-hit-metrics", "storage-volume", "time-series/breakdown", "eval-results"):
        assert isinstance(post(client, reader, path, {**times(NOW - 3 * DAY, NOW), "time_tick": "day"}), list)
    assert {*post(client, reader, "quantiles", {**times(NOW - DAY, NOW)})[0]} >= {
        "latency_p_50",
        "ttft_p_99",
        "tps_p_90",
    }


@pytest.mark.parametrize("by", ["model", "organization_key_id", "prompt_id", "deployment_name", "provider_id"])
@pytest.mark.parametrize("limit", [1, 2, 10])
def test_series_add_up_to_the_summary(
    client: TestClient, reader: Headers, called: list[RequestLog], by: str, limit: int
) -> None:
    query = {**times(NOW - 20 * DAY, NOW), "time_tick": "day", "timezone_offset": 5.5}
    wanted = ["number_of_requests", "total_cost", "total_tokens", "average_cost", "error_count"]
    body = {"metrics_to_aggregate": wanted, "breakdown_by": by, "limit": limit}
    tables = post(client, reader, "time-series/breakdown", body, **query)
    summary = post(client, reader, "llm-metrics/summary", **query)
    rows = post(client, reader, "llm-metrics", **query)["data"]
    for metric in ("number_of_requests", "total_cost", "total_tokens", "error_count"):
        series = [{name: value for name, value in row.items() if name != "date_group"} for row in tables[metric]]
        assert [sum(row.values()) for row in series] == pytest.approx([row[metric] for row in rows])
        assert sum(sum(row.values()) for row in series) == pytest.approx(summary[metric])
        names = {*series[0]}
        assert len(names) <= limit + 1
        assert all(row.keys() == names for row in series)


@pytest.mark.parametrize("sort_by", ["number_of_requests", "total_cost", "average_ttft"])
def test_customers_add_up_too(client: TestClient, reader: Headers, called: list[RequestLog], sort_by: str) -> None:
    query = {**times(NOW - 20 * DAY, NOW - DAY), "time_tick": "day"}
    body = {"metrics_to_aggregate": ["total_cost"], "breakdown_by": "customer_identifier", "sort_by": sort_by}
    rows = post(client, reader, "time-series/breakdown", body, **query)["total_cost"]
    summary = post(client, reader, "llm-metrics/summary", **query)
    assert {*rows[0]} == {"date_group", "ada", "bob", "eve", "Others"}
    total = sum(value for row in rows for name, value in row.items() if name != "date_group")
    assert total == pytest.approx(summary["total_cost"])
    top = post(client, reader, "top-users", {"sort_by": sort_by}, **query)["top_users"]
    inside = [log for log in called if NOW - 20 * DAY <= log.started_at < NOW - DAY]
    inside = [log for log in inside if log.environment is Environment.PROD]
    expected = {
        name: naive([log for log in inside if log.customer_identifier == name], 19 * DAY / SECOND)
        for name in ("ada", "bob", "eve")
    }
    assert [item["customer_identifier"] for item in top] == sorted(
        expected, key=lambda name: (expected[name][sort_by], name), reverse=True
    )
    for item in top:
        known = {name: value for name, value in item.items() if name in METRICS and value is not None}
        assert len(known) >= 13
        assert known == about({name: expected[item["customer_identifier"]][name] for name in known})


def test_what_is_used_most(client: TestClient, owner: Owner, called: list[RequestLog]) -> None:
    key, reader = owner
    query = times(NOW - 30 * DAY, NOW)
    inside = [log for log in called if log.started_at >= NOW - 30 * DAY and log.environment is Environment.PROD]
    models = post(client, reader, "top-models", {"sort_by": "total_cost", "limit": 2}, **query)["top_models"]
    costs = {name: sum(log.cost or 0 for log in inside if log.model == name) for name in ("a", "b", "c", CACHED_MODEL)}
    assert [item["model"] for item in models] == sorted(costs, key=lambda name: costs[name], reverse=True)[:2]
    assert {*METRICS} <= models[0].keys()
    keyed = client.get(f"{BOARD}top-keys/", headers=reader, params=query).json()["top_keys"]
    assert {item["organization_key_id"] for item in keyed} == {log.key_id for log in inside}
    assert {item["organization_key_name"] for item in keyed} == {"a key"}
    assert post(client, reader, "top-prompts", **query)["top_prompts"][0]["prompt_id"] == "p1"
    assert (
        post(client, reader, "top-deployments", **query)["top_deployments"][0]["deployment_name"] == "mistral/default"
    )
    assert len(post(client, reader, "top-providers", **query)["top_providers"]) == 2
    assert client.post(f"{BOARD}top-hats/", headers=reader).status_code == 404
    bound = post(client, reader, "top-keys", {"filters": {"organization_key_id": {"value": [key.id]}}}, **query)
    assert [item["organization_key_id"] for item in bound["top_keys"]] == [key.id]


def test_customers_cache_storage_and_quantiles(client: TestClient, reader: Headers, called: list[RequestLog]) -> None:
    query = {**times(NOW - 10 * DAY, NOW), "time_tick": "day"}
    inside = [log for log in called if log.started_at >= NOW - 10 * DAY and log.environment is Environment.PROD]
    active = post(client, reader, "users", **query)
    customers = {log.customer_identifier for log in inside} - {None}
    cost = sum(log.cost or 0 for log in inside if log.customer_identifier) / DOLLAR
    assert active["summary"] == about(
        {
            "active_users": len(customers),
            "total_user_cost": cost,
            "average_cost_per_user": cost / len(customers),
        }
    )
    assert len(active["activity"]) == 11
    assert max(row["active_users"] for row in active["activity"]) <= 3
    assert post(client, reader, "total-users", **query)["total_users"] == len(customers)
    hits = [log for log in inside if is_cache_hit(log)]
    cached = post(client, reader, "cache-hit-metrics/summary", **query)
    assert cached["cache_hit_count"] == cached["summary"]["number_of_requests"] == len(hits)
    assert cached["cache_hit_tokens"] == sum(total_tokens(log) or 0 for log in hits)
    rows = post(client, reader, "cache-hit-metrics", **query)["data"]
    assert sum(row["cache_hit_count"] for row in rows) == len(hits)
    ever = post(client, reader, "cache-hit-metrics/total-summary", **query)
    assert ever["cache_hit_count"] == sum(is_cache_hit(log) for log in called if log.environment is Environment.PROD)
    said = post(client, reader, "storage-volume", **query)["data"]
    stored_bytes = sum(log.request_bytes + log.response_bytes for log in inside)
    assert sum(row["storage_bytes"] for row in said) == stored_bytes
    summed = client.get(f"{BOARD}storage-volume/summary/", headers=reader, params=query).json()
    assert summed["storage_bytes"] == summed["summary"]["storage_bytes"] == stored_bytes
    latencies = sorted(log.latency for log in inside if log.latency is not None)
    told = post(client, reader, "quantiles/summary", **query)
    for part in (50, 90, 95, 99):
        exact = latencies[int(part / 100 * (len(latencies) - 1))] / SECOND
        assert told[f"latency_p_{part}"] == pytest.approx(exact, rel=0.021)
        assert told["summary"][f"latency_quantiles_p_{part}"] == told[f"latency_p_{part}"]
    assert post(client, reader, "eval-results", **query) == {
        "number_of_requests": [],
        "avg_primary_score": [],
        "total_cost": [],
    }


def test_the_dashboard_of_2024_and_the_stats(client: TestClient, reader: Headers, called: list[RequestLog]) -> None:
    answer = client.get(BOARD, headers=reader, params={"summary_type": "monthly", "timezone_offset": "5.5"}).json()
    assert answer.keys() == {"data", "summary", "model_breakdown", "key_breakdown"}
    assert {"latency_p_50", "ttft_p_50", "tps_p_50", "total_cost"} <= answer["summary"].keys()
    total = sum(item["number_of_requests"] for item in answer["model_breakdown"])
    assert total == answer["summary"]["number_of_requests"] == sum(row["number_of_requests"] for row in answer["data"])
    only = client.get(BOARD, headers=reader, params={"summary_type": "yearly", "breakdown": "by_key"}).json()
    assert only.keys() == {"data", "summary", "key_breakdown"}
    assert client.get(BOARD, headers=reader, params={"breakdown": "none"}).json().keys() == {"data", "summary"}
    stats = client.get("/api/platform-stats/", headers=reader, params={"breakdown_by": "provider_id"}).json()
    assert stats == client.get("/api/platform-stats/", headers=reader, params={"breakdown_by": "provider"}).json()
    assert 52 <= len(stats["total_tokens"]) <= 53
    assert {*stats["total_tokens"][0]} == {"date_group", "mistral", "openai"}
    tokens = sum(row["mistral"] + row["openai"] for row in stats["total_tokens"])
    assert tokens == sum(total_tokens(log) or 0 for log in called if not is_cache_hit(log))


def test_nothing_called_is_a_chart_of_zeros(client: TestClient, reader: Headers) -> None:
    answer = post(client, reader, "llm-metrics", summary_type="weekly", fetch_filters="true")
    assert {row["number_of_requests"] for row in answer["data"]} == {0}
    assert {row["average_latency"] for row in answer["data"]} == {None}
    assert answer["filter_options"]["model"] == []
    assert post(client, reader, "llm-metrics", summary_type="all")["data"] == []
    quantiles = post(client, reader, "quantiles", summary_type="daily")["data"]
    assert {row["latency_p_50"] for row in quantiles} == {None}


@pytest.mark.parametrize(
    ("query", "body", "param"),
    [
        ({"summary_type": "hourly"}, {}, "summary_type"),
        ({"time_tick": "second"}, {}, "time_tick"),
        ({"timezone_offset": "0.3"}, {}, "timezone_offset"),
        ({"timezone_offset": "99"}, {}, "timezone_offset"),
        ({"timezone_offset": "east"}, {}, "timezone_offset"),
        ({"start_time": "soon"}, {}, "start_time"),
        ({"start_time": "2026-01-02", "end_time": "2026-01-01"}, {}, "time_tick"),
        ({"start_time": "2020-01-02", "time_tick": "minute"}, {}, "time_tick"),
        ({"start_time": "0001-01-01T00:00:00Z"}, {}, None),
        ({"end_time": "1085-10-22T07:08:41Z"}, {}, None),
        ({"summary_type": "yearly", "date": "2262-05-01"}, {}, None),
        ({"sort_by": "shoe_size"}, {}, "sort_by"),
        ({"limit": "0"}, {}, "limit"),
        ({"colour": "red"}, {}, "colour"),
        ({}, {"filters": {"shoe_size": {"value": [42]}}}, "shoe_size"),
        ({}, {"filter": {}}, None),
        ({"environment": "moon"}, {}, "environment"),
    ],
)
def test_what_means_nothing_is_refused(
    client: TestClient, reader: Headers, query: dict[str, str], body: dict[str, Any], param: str | None
) -> None:
    answer = client.post(f"{BOARD}llm-metrics/", headers=reader, params=query, json=body)
    assert answer.status_code == 400 or (param is None and answer.status_code == 200), answer.text
    assert param is None or answer.json().get("param") == param


def test_a_breakdown_by_a_metric_that_there_is_not_is_refused(client: TestClient, reader: Headers) -> None:
    body = {"metrics_to_aggregate": ["total_cost", "shoe_size"]}
    answer = client.post(f"{BOARD}time-series/breakdown/", headers=reader, json=body)
    assert (answer.status_code, answer.json()["param"]) == (400, "metrics_to_aggregate")


def test_a_key_sees_its_own_calls_and_no_neighbour(
    client: TestClient, keys: Keys, logs: LogStore, called: list[RequestLog], home: Home, keyring: Keyring
) -> None:
    own, secret = keys.add()
    store_logs(logs, make_log(own, 900, model="mine", cost=DOLLAR, customer_identifier="zoe"))
    mine: Secret = secret
    query = {"summary_type": "monthly"}
    assert post(client, bearer(mine), "llm-metrics/summary", **query)["number_of_requests"] == 1
    assert [item["model"] for item in post(client, bearer(mine), "top-models", **query)["top_models"]] == ["mine"]
    assert [one["customer_identifier"] for one in post(client, bearer(mine), "top-users", **query)["top_users"]] == [
        "zoe"
    ]
    assert post(client, bearer(mine), "total-users", **query)["total_users"] == 1
    theirs = neighbour(home, keyring)
    assert post(client, theirs, "llm-metrics/summary", **query)["number_of_requests"] == 0
    with ControlStore(home.control_db) as control, control.reading() as connection:
        assert connection is not None
    assert client.post(f"{BOARD}llm-metrics/", headers=bearer(keys.add(Scope.INGEST)[1])).status_code == 403


def test_a_key_that_sees_its_own_calls_does_not_see_what_others_hits_saved(
    client: TestClient, keys: Keys, logs: LogStore, reader: Headers
) -> None:
    given = AnswerGiven(keys.organization_id, "k", NOW, 5, 7, 3 * SECOND)
    kept = AnswerKept(keys.organization_id, "k", "a", "m", NOW - SECOND, NOW + DAY)
    logs.record(RecordBatch(cache=CacheChanges(kept=[kept], given=[given])))
    assert post(client, reader, "cache-hit-metrics/summary")["total_time_saved"] == 3.0
    own = bearer(keys.add()[1])
    assert post(client, own, "cache-hit-metrics/summary")["total_time_saved"] is None
