"""The cache API: Respan's shapes, an organization's own, and what is deleted is gone where answers come from."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from gantry.board.answers import AnswerCache, KeptAnswer
from gantry.console.app import create_app
from gantry.console.state import ConsoleState
from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home, Keyring
from gantry.store.cached_answers import AnswerGiven, AnswerKept, CacheChanges
from gantry.store.keys import ApiKey
from gantry.store.logs import LogStore, RecordBatch
from tests.console.conftest import NOW, SECOND, Keys, bearer, log_id_at, make_log, state_of
from tests.console.shaped_client import ShapedClient

Headers = dict[str, str]


@pytest.fixture
def answers(home: Home, keyring: Keyring) -> AnswerCache:
    return AnswerCache(home.responses, keyring.responses, keyring.response_names, clock=lambda: NOW)


@pytest.fixture
def state(home: Home, keyring: Keyring, answers: AnswerCache) -> Iterator[ConsoleState]:
    state = state_of(home, keyring, answers=answers)
    yield state
    state.close()


@pytest.fixture
def client(state: ConsoleState) -> Iterator[TestClient]:
    with ShapedClient(create_app(state), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def key(keys: Keys) -> ApiKey:
    return keys.add()[0]


@pytest.fixture
def manager(keys: Keys) -> Headers:
    return bearer(keys.add(DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)[1])


def fill(logs: LogStore, answers: AnswerCache, key: ApiKey, *numbers: int) -> list[str]:
    """Keep answers, as file and as row, and return their names."""
    names = []
    for number in numbers:
        name = answers.name(key.organization_id, b"%d" % number)
        answers.keep(key.organization_id, name, KeptAnswer("application/json", b"{}", NOW, NOW + 3600 * SECOND))
        log = make_log(
            key,
            number,
            input='[{"role":"user","content":"%s"}]' % (f"question {number} " * 20),
            output='{"role":"assistant","content":"answer"}',
            full_response=b'{"id":"r1"}',
            model="m",
        )
        kept = AnswerKept(key.organization_id, name, log_id_at(number), "m", NOW - number * SECOND, NOW + 3600 * SECOND)
        logs.record(RecordBatch(logs=[log], cache=CacheChanges(kept=[kept])))
        names.append(name)
    return names


def test_entries_are_listed_with_what_they_saved(
    client: TestClient, keys: Keys, logs: LogStore, answers: AnswerCache, key: ApiKey
) -> None:
    one, two = fill(logs, answers, key, 1, 2)
    hit = AnswerGiven(key.organization_id, two, NOW, 250_000, 13, 3 * SECOND)
    logs.record(RecordBatch(cache=CacheChanges(given=[hit, hit])))
    reader = bearer(keys.add(Scope.READ)[1])
    answer = client.post("/api/caches/?page=1&page_size=1", headers=reader)
    assert answer.status_code == 200, answer.text
    listed = answer.json()
    assert listed["summary"] == {"total_cost": 0.0005, "total_hit_count": 2, "total_tokens": 26, "total_time": 6.0}
    data = listed["data"]
    assert (data["count"], data["previous"], data["current_filters"]) == (2, None, {})
    (item,) = data["results"]
    assert item["prompt_content"] == ("question 2 " * 20)
    expected = {
        "cache_key": two,
        "response_content": "answer",
        "hit_count": 2,
        "timestamp": "2026-11-18T11:06:38Z",
        "updated_at": "2026-11-18T11:06:40Z",
        "expiry_date": "2026-11-18T12:06:40Z",
        "log_id": log_id_at(2),
        "saved_cost": 0.0005,
    }
    assert {name: item[name] for name in expected} == expected
    rest = client.post(data["next"], headers=reader).json()["data"]
    assert [one["cache_key"] for one in rest["results"]] == [one]
    assert (rest["next"], rest["previous"] is not None) == (None, True)
    assert client.post("/caches/summary", headers=reader).json()["total_count"] == 2
    full = client.get(f"/api/cache/{item['id']}/", headers=reader).json()
    assert full["request_content"] == item["prompt_content"][:100]
    assert full["prompt_messages"][0]["role"] == "user"
    assert (full["full_response"], full["response_time"]) == ({"id": "r1"}, 1.5)


def test_filters_of_entries(
    client: TestClient, manager: Headers, logs: LogStore, answers: AnswerCache, key: ApiKey
) -> None:
    _, two = fill(logs, answers, key, 1, 2)
    wanted = {"filters": {"cache_key": {"operator": "", "value": [two]}}}
    found = client.post("/api/caches/", headers=manager, json=wanted).json()
    assert [one["cache_key"] for one in found["data"]["results"]] == [two]
    assert found["data"]["current_filters"] == wanted["filters"]
    for filters in ({"nothing": {"value": [1]}}, {"hit_count": {"operator": "contains", "value": ["1"]}}):
        refused = client.post("/api/caches/", headers=manager, json={"filters": filters})
        assert (refused.status_code, refused.json()["param"]) == (400, next(iter(filters)))
    assert client.post("/api/caches/?page=0", headers=manager).status_code == 400
    assert client.post("/api/caches/", headers=manager, content=b"[").status_code == 400


@pytest.mark.parametrize("by", ["cache_keys", "ids", "all"])
def test_what_is_deleted_is_gone(
    client: TestClient, manager: Headers, logs: LogStore, answers: AnswerCache, key: ApiKey, by: str
) -> None:
    one, two = fill(logs, answers, key, 1, 2)
    theirs = answers.name("another", b"1")
    answers.keep("another", theirs, KeptAnswer("application/json", b"{}", NOW, NOW + SECOND))
    listed = client.post("/api/caches/", headers=manager).json()["data"]["results"]
    ids = {item["cache_key"]: item["id"] for item in listed}
    body = {"cache_keys": {"cache_keys": [one, theirs]}, "ids": {"ids": [ids[one]]}, "all": {"all": True}}[by]
    answer = client.request("DELETE", "/api/caches/bulk/", headers=manager, json=body)
    gone = 2 if by == "all" else 1
    assert answer.status_code == 200, answer.text
    assert (answer.json()["success_count"], answer.json()["deleted_count"]) == (gone, gone)
    assert not answers.holds(key.organization_id, one)
    assert answers.holds(key.organization_id, two) is (by != "all")
    assert answers.holds("another", theirs)
    left = client.post("/api/caches/", headers=manager).json()["data"]
    assert left["count"] == 2 - gone
    assert client.get(f"/api/cache/{ids[one]}/", headers=manager).status_code == 404


def test_all_means_what_the_clerk_has_not_read_yet_too(
    client: TestClient, manager: Headers, answers: AnswerCache, key: ApiKey
) -> None:
    name = answers.name(key.organization_id, b"q")
    answers.keep(key.organization_id, name, KeptAnswer("application/json", b"{}", NOW, NOW + SECOND))
    answer = client.request("DELETE", "/api/caches/bulk/", headers=manager, json={"all": True})
    assert answer.json()["deleted_count"] == 1
    assert not answers.holds(key.organization_id, name)


def test_the_deprecated_way_takes_ids(
    client: TestClient, manager: Headers, logs: LogStore, answers: AnswerCache, key: ApiKey
) -> None:
    (one,) = fill(logs, answers, key, 1)
    (item,) = client.post("/api/caches/", headers=manager).json()["data"]["results"]
    answer = client.request("DELETE", "/api/caches/", headers=manager, json={"ids": [item["id"]]})
    assert answer.json() == {"success_count": 1, "deleted_count": 1, "message": "1 cache entry deleted"}
    assert not answers.holds(key.organization_id, one)


@pytest.mark.parametrize(
    "body",
    [{}, {"all": False}, {"all": True, "ids": [1]}, {"ids": [1], "cache_keys": ["a"]}, {"keys": ["a"]}, {"ids": "1"}],
)
def test_exactly_one_way_to_say_which(
    client: TestClient, manager: Headers, logs: LogStore, answers: AnswerCache, key: ApiKey, body: dict[str, object]
) -> None:
    (one,) = fill(logs, answers, key, 1)
    assert client.request("DELETE", "/api/caches/bulk/", headers=manager, json=body).status_code == 400
    assert client.request("DELETE", "/api/caches/", headers=manager, json=body | {"all": True}).status_code == 400
    assert answers.holds(key.organization_id, one)


def test_reading_and_deleting_take_their_scopes(client: TestClient, keys: Keys) -> None:
    caller, reader = bearer(keys.add()[1]), bearer(keys.add(Scope.READ)[1])
    assert client.post("/api/caches/", headers=caller).status_code == 403
    assert client.get("/api/cache/1/", headers=caller).status_code == 403
    assert client.request("DELETE", "/api/caches/bulk/", headers=reader, json={"all": True}).status_code == 403


@pytest.mark.parametrize("number", [2**63, 10**30, -1])
def test_an_id_that_no_row_can_have_is_not_found(
    client: TestClient, manager: Headers, logs: LogStore, answers: AnswerCache, key: ApiKey, number: int
) -> None:
    fill(logs, answers, key, 1)
    assert client.get(f"/api/cache/{number}/", headers=manager).status_code == 404
    bulk = client.request("DELETE", "/api/caches/bulk/", headers=manager, json={"ids": [number, 1]})
    assert (bulk.status_code, bulk.json().get("deleted_count")) == (200, 1), bulk.text
    wanted = {"filters": {"id": {"operator": "", "value": [number]}}}
    listed = client.post("/api/caches/", headers=manager, json=wanted)
    assert listed.status_code == (200 if number < 0 else 400), listed.text


def test_a_name_that_is_none_is_not_found(client: TestClient, manager: Headers) -> None:
    for names in (["\0"], ["../../vault"], ["f" * 64] * 1000):
        answer = client.request("DELETE", "/api/caches/bulk/", headers=manager, json={"cache_keys": names})
        assert (answer.status_code, answer.json().get("deleted_count")) == (200, 0), answer.text
