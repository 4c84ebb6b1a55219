"""Entries of the response cache as rows: kept, hit, swept, deleted, on both engines."""

from gantry.core.request_log import CACHED_MODEL
from gantry.store.cached_answers import (
    AnswerGiven,
    AnswerKept,
    CacheChanges,
    CacheEntry,
    CacheQuery,
    CacheSums,
    field_named,
)
from gantry.store.log_filter import Condition, Operator
from gantry.store.log_filter import field_named as log_field
from gantry.store.log_query import LogQuery
from gantry.store.logs import LogStore, RecordBatch
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import HOUR, ORGANIZATION, OTHER, make_log

__all__ = ["address"]

NOW = 1000 * HOUR


def kept(name: str, organization_id: str = ORGANIZATION, at: int = NOW, **fields: object) -> AnswerKept:
    values = {"log_id": f"log of {name}", "model": "m", "expires_at": at + HOUR, **fields}
    return AnswerKept(organization_id, name, kept_at=at, **values)  # type: ignore[arg-type]


def given(name: str, at: int = NOW + 1, organization_id: str = ORGANIZATION) -> AnswerGiven:
    return AnswerGiven(organization_id, name, at, 100, 7, 2_000_000_000)


def record(logs: LogStore, **changes: list[object]) -> None:
    logs.record(RecordBatch(cache=CacheChanges(**changes)))  # type: ignore[arg-type]


def entries(logs: LogStore, **fields: object) -> list[CacheEntry]:
    query = CacheQuery(organization_id=ORGANIZATION, now=NOW, **fields)  # type: ignore[arg-type]
    return logs.cache_entries(query)[0]


def test_an_entry_goes_on_when_it_is_kept_anew(logs: LogStore) -> None:
    record(logs, kept=[kept("a"), kept("b"), kept("a", OTHER)])
    record(logs, given=[given("a"), given("a", NOW + 5), given("gone")])
    first = next(entry for entry in entries(logs) if entry.cache_key == "a")
    record(logs, kept=[kept("a", at=NOW + 9, log_id="another", model="x" * 300 + "\0")], given=[given("a", NOW + 12)])
    found, sums = logs.cache_entries(CacheQuery(organization_id=ORGANIZATION, now=NOW))
    assert [entry.cache_key for entry in found] == ["a", "b"], "what changed last comes first"
    (again, untouched) = found
    assert (again.id, again.kept_at, again.updated_at, again.hits) == (first.id, NOW + 9, NOW + 12, 3)
    assert (again.saved_cost, again.saved_tokens, again.saved_time) == (300, 21, 6_000_000_000)
    assert (untouched.hits, untouched.saved_cost) == (0, 0)
    assert sums == CacheSums(2, 3, 300, 21, 6_000_000_000)


def test_what_has_expired_is_not_shown_and_goes_with_the_next(logs: LogStore) -> None:
    record(logs, kept=[kept("old", expires_at=NOW + 10), kept("b")])
    assert len(entries(logs)) == 2
    assert logs.cache_sums(CacheQuery(organization_id=ORGANIZATION, now=NOW + 10)).entries == 1
    record(logs, kept=[kept("c", at=NOW + 10)])
    assert sorted(entry.cache_key for entry in entries(logs)) == ["b", "c"]


def test_what_was_swept_is_gone(logs: LogStore) -> None:
    record(logs, kept=[kept("a"), kept("b")])
    record(logs, swept=["a", "a", "unknown"])
    assert [entry.cache_key for entry in entries(logs)] == ["b"]


def test_deleting_is_an_organizations_own(logs: LogStore) -> None:
    record(logs, kept=[kept("a"), kept("b"), kept("c"), kept("a", OTHER)])
    ids = {entry.cache_key: entry.id for entry in entries(logs)}
    assert logs.cache_keys(ORGANIZATION, [ids["a"], 10**9]) == ["a"]
    assert logs.cache_keys(OTHER, [ids["a"]]) == []
    assert logs.find_cache_entry(OTHER, ids["a"]) is None
    assert logs.delete_cache_entries(ORGANIZATION, ["a", "nothing"]) == ["a"]
    assert sorted(logs.delete_cache_entries(ORGANIZATION, None)) == ["b", "c"]
    assert entries(logs) == []
    assert logs.cache_sums(CacheQuery(organization_id=OTHER, now=NOW)).entries == 1


def test_what_was_said_is_in_the_log_of_the_first_call(logs: LogStore) -> None:
    log = make_log("log of a", input='[{"role":"user","content":"q"}]', output='{"content":"w"}')
    theirs = make_log("log of b", organization_id=OTHER, input="secret")
    logs.record(RecordBatch(logs=[log, theirs], cache=CacheChanges(kept=[kept("a"), kept("b")])))
    said = {entry.cache_key: entry.log for entry in entries(logs)}
    assert said == {"a": log, "b": None}
    (entry,) = (one for one in entries(logs) if one.cache_key == "a")
    assert logs.find_cache_entry(ORGANIZATION, entry.id) == entry


def test_pages_and_filters(logs: LogStore) -> None:
    record(logs, kept=[kept(f"{number}", at=NOW + number) for number in range(5)], given=[given("2", NOW + 2)])
    assert [entry.cache_key for entry in entries(logs, page=2, page_size=2)] == ["2", "1"]
    hit = Condition(field_named("hit_count"), Operator.GTE, (1,))
    assert [entry.cache_key for entry in entries(logs, filters=hit)] == ["2"]


def test_a_hit_is_found_by_what_it_is(logs: LogStore) -> None:
    logs.record(
        RecordBatch(
            logs=[
                make_log("filled", model="m", cache_key="k"),
                make_log("hit", model=CACHED_MODEL, cache_key="k", cache_savings=5, cost=0),
                make_log("posted", model="m", extra='{"cache_key":"k2"}'),
                make_log("plain"),
            ]
        )
    )

    def found(name: str, operator: Operator, *values: object, negated: bool = False) -> set[str]:
        condition = Condition(log_field(name), operator, values, negated)  # type: ignore[arg-type]
        page = logs.page(LogQuery(organization_id=ORGANIZATION, filters=condition))
        return {log.log_id for log in page.logs}

    assert found("cache_hit", Operator.EQUAL, True) == {"hit"}
    assert found("cache_hit", Operator.EQUAL, False) == {"filled", "posted", "plain"}
    assert found("cache_hit", Operator.EQUAL, True, negated=True) == {"filled", "posted", "plain"}
    assert found("cache_key", Operator.EQUAL, "k") == {"filled", "hit"}
    assert found("cache_key", Operator.STARTSWITH, "k") == {"filled", "hit", "posted"}
    assert found("cache_savings", Operator.GT, 0) == {"hit"}


def test_numbers_beyond_64_bits_do_not_stop_the_clerk(logs: LogStore) -> None:
    """A provider may report any number of tokens, and what they would have cost is more than an engine holds."""
    record(logs, kept=[kept("a"), kept("b")])
    for name in ("a", "b"):
        record(logs, given=[AnswerGiven(ORGANIZATION, name, NOW + 1, 10**20, 2**63, 10**19)] * 2)
        record(logs, given=[given(name)])
    found, sums = logs.cache_entries(CacheQuery(organization_id=ORGANIZATION, now=NOW))
    assert {entry.hits for entry in found} == {3}
    assert min(min(entry.saved_cost, entry.saved_tokens, entry.saved_time) for entry in found) > 2**62
    assert sums.hits == 6
    assert min(sums.saved_cost, sums.saved_tokens, sums.saved_time) > 2**62


def test_what_no_row_can_be_called_is_no_fault_of_the_engine(logs: LogStore) -> None:
    record(logs, kept=[kept("a")])
    assert logs.cache_keys(ORGANIZATION, [2**63, 10**30, -1]) == []
    assert logs.find_cache_entry(ORGANIZATION, 2**63) is None
    assert logs.delete_cache_entries(ORGANIZATION, ["\0", "a"]) == ["a"]
