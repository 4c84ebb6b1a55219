"""Newer published data: read as it is published, and what it would change, with what looks like a mistake marked."""

import copy
from typing import Any

import pytest

from gantry.prices.changes import Change, Malformed, find_changes
from gantry.prices.data_file import DataUnreadable, read_data
from gantry.prices.published import compile_published
from tests.prices.published_data import encoded, published_json

SMALL = "mistral-small-2603"


@pytest.fixture
def mistral() -> list[dict[str, Any]]:
    return published_json("mistral")


def model_of(providers: list[dict[str, Any]], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(model for model in providers[0]["models"] if model["id"] == name)
    return found


def changes_of(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[Change]:
    before, _ = read_data(encoded(old))
    after, malformed = read_data(encoded(new))
    return find_changes(compile_published(before, "1"), compile_published(after, "2"), tuple(malformed))


def told(changes: list[Change]) -> list[tuple[str, str, int | None, int | None, str]]:
    return [(one.model, one.unit, one.old, one.new, one.suspicion) for one in changes]


def test_the_published_file_compiles_to_what_came_with_this_version() -> None:
    providers, malformed = read_data(encoded(published_json()))
    assert malformed == []
    assert compile_published(providers, "0") == compile_published(version="0")


def test_the_same_data_changes_nothing(mistral: list[dict[str, Any]]) -> None:
    assert changes_of(mistral, copy.deepcopy(mistral)) == []


@pytest.mark.parametrize(
    ("price", "suspicion"),
    [
        (0.2, ""),
        (1.49, ""),
        (1.5, "becomes 10 times as much"),
        (0, "becomes nothing"),
        (0.015, "becomes a 10th"),
        (0.016, ""),
        (None, "has no price any more"),
    ],
)
def test_a_price_that_changes_is_shown_and_an_absurd_one_marked(
    mistral: list[dict[str, Any]], price: float | None, suspicion: str
) -> None:
    new = copy.deepcopy(mistral)
    model_of(new, SMALL)["prices"]["input_mtok"] = price
    expected = None if price is None else round(price * 10**9)
    assert told(changes_of(mistral, new)) == [(SMALL, "input", 150_000_000, expected, suspicion)]


def test_a_price_from_a_day_on_stands_beside_the_one_before(mistral: list[dict[str, Any]]) -> None:
    new = copy.deepcopy(mistral)
    model = model_of(new, SMALL)
    dearer = {**model["prices"], "output_mtok": 0.8}
    model["prices"] = [{"prices": model["prices"]}, {"constraint": {"start_date": "2027-01-01"}, "prices": dearer}]
    found = [one for one in changes_of(mistral, new) if one.old != one.new]
    assert told(found) == [(SMALL, "output", 600_000_000, 800_000_000, "")]
    assert found[0].since == 1_798_761_600_000_000_000


def test_models_come_and_go(mistral: list[dict[str, Any]]) -> None:
    new = copy.deepcopy(mistral)
    model_of(new, SMALL)["id"] = "mistral-small-2612"
    assert told(changes_of(mistral, new)) == [
        (SMALL, "", None, None, "is gone"),
        ("mistral-small-2612", "cached_input", None, 15_000_000, ""),
        ("mistral-small-2612", "cached_input", None, 7_500_000, ""),
        ("mistral-small-2612", "input", None, 150_000_000, ""),
        ("mistral-small-2612", "input", None, 75_000_000, ""),
        ("mistral-small-2612", "output", None, 600_000_000, ""),
        ("mistral-small-2612", "output", None, 300_000_000, ""),
    ]


@pytest.mark.parametrize(("name", "suspicion"), [("gift", "is new and costs nothing"), ("gift:free", "")])
def test_what_is_new_and_costs_nothing_is_marked_unless_its_name_says_so(
    mistral: list[dict[str, Any]], name: str, suspicion: str
) -> None:
    new = copy.deepcopy(mistral)
    free = {"id": name, "match": {"equals": name}, "prices": {"input_mtok": 0, "output_mtok": 0}}
    new[0]["models"].append(free)
    assert {one.suspicion for one in changes_of(mistral, new)} == {suspicion}


BROKEN: dict[str, Any] = {
    "a negative price": {"input_mtok": -1},
    "a word": {"input_mtok": "much"},
    "a list": [1, 2],
    "a tier without a price": {"input_mtok": {"base": 1, "tiers": [{"start": 5}]}},
    "nothing": None,
}


@pytest.mark.parametrize("prices", BROKEN.values(), ids=BROKEN)
def test_a_malformed_model_is_named_and_hides_no_other(mistral: list[dict[str, Any]], prices: Any) -> None:
    new = copy.deepcopy(mistral)
    model_of(new, SMALL)["prices"] = prices
    model_of(new, "codestral-2508")["prices"]["input_mtok"] = 0.4
    found = told(changes_of(mistral, new))
    assert found[0] == ("codestral-2508", "input", 300_000_000, 400_000_000, "")
    assert [(model, unit) for model, unit, *_ in found[1:]] == [(SMALL, "")]
    assert found[1][-1].startswith("cannot be read: ")


def test_a_malformed_provider_is_named(mistral: list[dict[str, Any]]) -> None:
    _, malformed = read_data(encoded([*mistral, {"id": "broken", "models": "none"}]))
    assert [(one.provider, one.model) for one in malformed] == [("broken", "")]
    old = compile_published(read_data(encoded(mistral))[0], "1")
    found = find_changes(old, old, (Malformed("broken", "", "why"),))
    assert [(one.provider, one.suspicion) for one in found] == [("broken", "cannot be read: why")]


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"[1]", b'[{"id": NaN}]', b"<html>", b"[" * 100_000])
def test_what_is_no_data_is_refused(text: bytes) -> None:
    with pytest.raises(DataUnreadable):
        read_data(text)
