"""console/traces and log_threads: lists, trees, sums, deletion; who may see what."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from gantry.console.trace_item import DEEPEST, span_tree
from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.store.keys import ApiKey
from gantry.store.logs import LogStore
from tests.console.conftest import Keys, bearer, make_log, store_logs

READER = Scope.READ
TREE = (("root", None), ("call", "root"), ("tool", "call"), ("second", "root"))


def spans(key: ApiKey, trace: str, number: int, **changes: Any) -> list[RequestLog]:
    """Return four spans of a trace that began `number` minutes ago, one after the other."""
    return [
        make_log(
            key,
            number * 10 - place,
            trace_unique_id=trace,
            span_unique_id=name,
            span_parent_id=parent,
            span_name=name,
            log_type="agent" if parent is None else "chat",
            cost=1_000_000_000,
            input=f"in {name}",
            extra='{"span_workflow_name":"flow","session_identifier":7}',
            **changes,
        )
        for place, (name, parent) in enumerate(TREE)
    ]


def names_in(tree: list[dict[str, Any]]) -> list[Any]:
    return [(span["span_name"], names_in(span["children"])) for span in tree]


def test_traces_are_listed_with_what_they_come_to(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add(READER)
    store_logs(logs, *spans(key, "older", 2), *spans(key, "newer", 1), make_log(key, 1000))
    answer = client.get("/api/traces/list/", headers=bearer(secret)).json()
    assert (answer["count"], answer["count_is_exact"], answer["next"], answer["previous"]) == (2, True, None, None)
    newer, older = answer["results"]
    assert (newer["id"], older["trace_unique_id"]) == ("newer", "older")
    assert (newer["span_count"], newer["llm_call_count"], newer["error_count"]) == (4, 3, 0)
    assert (newer["name"], newer["root_span_unique_id"], newer["input"]) == ("root", "root", "in root")
    assert (newer["total_cost"], newer["total_tokens"], newer["duration"]) == (4.0, 52, 181.5)
    assert newer["session_identifier"] == "7"


def test_pages_follow_each_other_and_filters_find_traces_by_any_span(
    client: TestClient, keys: Keys, logs: LogStore
) -> None:
    key, secret = keys.add(READER)
    for number in range(1, 5):
        store_logs(logs, *spans(key, f"t{number}", number, model=f"m{number % 2}"))
    url, found = "/api/traces/list/?page_size=1", []
    while url:
        answer = client.post(url, json={"filters": {"model": {"value": ["m1"]}}}, headers=bearer(secret)).json()
        assert answer["count"] == 2
        found += [trace["id"] for trace in answer["results"]]
        before, url = answer["previous"], answer["next"]
    assert found == ["t1", "t3"]
    assert "cursor" not in before
    answer = client.get("/api/traces/list/?span_name=tool&page_size=2&page=2", headers=bearer(secret)).json()
    assert [trace["id"] for trace in answer["results"]] == ["t3", "t4"]
    assert (
        client.get("/api/traces/list/?start_time=2020-01-01&end_time=2021-01-01", headers=bearer(secret)).json()[
            "count"
        ]
        == 0
    )


@pytest.mark.parametrize(
    "asked", ["sort_by=cost", "page=0", "page=101", "cursor=W10", "cursor=WzEsMSxmYWxzZSwxLHRydWVd"]
)
def test_what_a_list_cannot_do_is_refused(client: TestClient, keys: Keys, asked: str) -> None:
    _, secret = keys.add(READER)
    assert client.get(f"/api/traces/list/?{asked}", headers=bearer(secret)).status_code == 400


def test_a_trace_is_shown_as_a_tree(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add(READER)
    store_logs(logs, *spans(key, "a/b", 1))
    trace = client.get("/api/traces/a%2Fb/", headers=bearer(secret)).json()
    assert (trace["span_count"], trace["shown_span_count"]) == (4, 4)
    assert names_in(trace["span_tree"]) == [("root", [("call", [("tool", [])]), ("second", [])])]
    (root,) = trace["span_tree"]
    assert (root["input"], root["span_workflow_name"], root["cost"]) == ("in root", "flow", 1.0)
    assert client.get("/api/traces/none/", headers=bearer(secret)).status_code == 404


def test_every_span_stands_in_the_tree_once(keys: Keys) -> None:
    key, _ = keys.add()

    def tree(*links: tuple[str | None, str | None]) -> list[Any]:
        made = [
            make_log(key, number, span_unique_id=name, span_parent_id=parent, span_name=name or "none")
            for number, (name, parent) in enumerate(links)
        ]
        return names_in(span_tree(made))

    assert tree(("a", "gone"), (None, "a"), (None, None)) == [("a", [("none", [])]), ("none", [])]
    assert tree(("a", "a"), ("b", "a")) == [("a", [("b", [])])]
    assert tree(("a", "c"), ("b", "a"), ("c", "b")) == [("a", [("b", [("c", [])])])]
    assert tree(("x", "a"), ("a", "b"), ("b", "a")) == [("a", [("x", []), ("b", [])])]
    assert tree(("a", None), ("a", None), ("b", "a")) == [("a", [("b", [])]), ("a", [])]
    chain = tree(*((str(place), str(place - 1)) for place in range(DEEPEST * 3)))
    depth, count, level = 0, 0, chain
    while level:
        depth, count = depth + 1, count + len(level)
        level = [child for _, children in level for child in children]
    assert (depth, count) == (DEEPEST + 1, DEEPEST * 3)


def test_sums_are_over_the_spans_that_match(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add(READER)
    store_logs(logs, *spans(key, "t", 1), *spans(key, "u", 2), make_log(key, 1, log_id="f" * 32, cost=5))
    answer = client.get("/api/traces/summary/", headers=bearer(secret)).json()
    assert (answer["number_of_traces"], answer["number_of_spans"], answer["total_cost"]) == (2, 8, 8.0)
    filters = {"filters": {"span_name": {"value": ["tool"]}}}
    answer = client.post("/api/traces/summary/", json=filters, headers=bearer(secret)).json()
    assert (answer["number_of_traces"], answer["number_of_spans"], answer["number_of_traces_is_exact"]) == (2, 2, True)


def test_a_trace_is_deleted_by_who_may_manage(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add(READER | Scope.MANAGE)
    _, reader = keys.add(READER)
    store_logs(logs, *spans(key, "t", 1), *spans(key, "u", 20))
    assert client.delete("/api/traces/t/", headers=bearer(reader)).status_code == 403
    assert client.delete("/api/traces/t/", headers=bearer(secret)).status_code == 204
    assert client.delete("/api/traces/t/", headers=bearer(secret)).status_code == 404
    bulk = "/api/traces/bulk/"
    assert client.post(bulk, json={"filters": {}}, headers=bearer(secret)).status_code == 400
    answer = client.post(bulk, json={"filters": {"trace_unique_id": {"value": ["u"]}}}, headers=bearer(secret))
    assert answer.json() == {"deleted_traces": 1, "deleted_spans": 4}


def test_a_trace_cannot_be_made_public(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add(READER | Scope.MANAGE)
    store_logs(logs, *spans(key, "t", 1))
    answer = client.patch("/api/traces/t/", json={"is_public": False}, headers=bearer(secret))
    assert (answer.status_code, answer.json()["is_public"]) == (200, False)
    assert client.patch("/api/traces/t/", json={"is_public": True}, headers=bearer(secret)).status_code == 400
    assert client.patch("/api/traces/t/", content=b"[", headers=bearer(secret)).status_code == 400


def test_a_key_sees_the_spans_of_its_own_calls(client: TestClient, keys: Keys, logs: LogStore) -> None:
    mine, secret = keys.add(DEFAULT_SCOPES)
    theirs, _ = keys.add(DEFAULT_SCOPES)
    store_logs(logs, *spans(mine, "shared", 1), *spans(theirs, "shared", 2), *spans(theirs, "theirs", 3))
    store_logs(logs, make_log(theirs, 500, thread_identifier="theirs"))
    (trace,) = client.get("/api/traces/list/", headers=bearer(secret)).json()["results"]
    assert (trace["id"], trace["span_count"]) == ("shared", 4)
    assert client.get("/api/traces/theirs/", headers=bearer(secret)).status_code == 404
    assert client.get("/api/log_threads/theirs/", headers=bearer(secret)).status_code == 404
    assert client.get("/api/log_threads/?start_time=2020-01-01", headers=bearer(secret)).json()["results"] == []


def test_threads_are_listed_and_shown_from_the_first_log_on(client: TestClient, keys: Keys, logs: LogStore) -> None:
    key, secret = keys.add(READER)
    said = [
        make_log(
            key, number, thread_identifier="talk", input=f"turn {number}", usage=Usage(input_tokens=1, output_tokens=1)
        )
        for number in (100, 90, 80, 3)
    ]
    store_logs(logs, *said, make_log(key, 2, thread_identifier="other/one"), make_log(key, 1))
    answer = client.post("/api/log_threads/", json={}, headers=bearer(secret)).json()
    assert [(one["thread_identifier"], one["log_count"]) for one in answer["results"]] == [
        ("other/one", 1),
        ("talk", 4),
    ]
    assert (answer["results"][1]["total_tokens"], answer["results"][1]["input"]) == (8, "turn 3")
    url, turns = "/api/log_threads/talk/?page_size=3", []
    while url:
        page = client.get(url, headers=bearer(secret)).json()
        assert (page["thread_identifier"], page["count"]) == ("talk", 4)
        turns += [log["input"] for log in page["results"]]
        url = page["next"]
    assert turns == ["turn 100", "turn 90", "turn 80", "turn 3"]
    shown = client.get("/api/log_threads/other%2Fone/", headers=bearer(secret)).json()
    assert (shown["count"], shown["environment"]) == (1, "prod")
    filters = {"filters": {"customer_identifier": {"value": ["nobody"]}}}
    assert client.post("/api/log_threads/", json=filters, headers=bearer(secret)).json()["count"] == 0
