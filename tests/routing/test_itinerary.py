"""Where a call goes after a failure: read as a table, and it comes to an end whatever happens."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.providers.spec import FailureKind
from gantry.routing.itinerary import (
    LONGEST_PAUSE,
    MOST_ATTEMPTS,
    NO_RETRIES,
    Itinerary,
    Retries,
    Step,
)
from gantry.routing.verdict import judge


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (None, FailureKind.TRANSIENT),
        *((status, FailureKind.CALLER) for status in (300, 400, 405, 409, 413, 415, 422)),
        *((status, FailureKind.CREDENTIAL) for status in (401, 402, 403)),
        (404, FailureKind.MODEL),
        (408, FailureKind.TRANSIENT),
        (429, FailureKind.LIMIT),
        *((status, FailureKind.TRANSIENT) for status in (500, 502, 503, 504, 529)),
    ],
)
def test_what_a_status_says(status: int | None, kind: FailureKind) -> None:
    assert judge((), status) is kind


def itinerary(
    fallbacks: Sequence[str] = (), retries: Retries = NO_RETRIES, model: str = "first", chance: float = 0.5
) -> Itinerary:
    return Itinerary(model, fallbacks, retries, lambda: chance)


@pytest.mark.parametrize("kind", [FailureKind.CREDENTIAL, FailureKind.LIMIT, FailureKind.TRANSIENT])
def test_credentials_come_before_models_and_each_once(kind: FailureKind) -> None:
    way = itinerary(["second"])
    assert way.after(kind, "a", ["a", "b", "c"]) == Step("first", frozenset("a"))
    assert way.after(kind, "c", ["a", "b", "c"]) == Step("first", frozenset("ac"))
    assert way.after(kind, "b", ["a", "b", "c"]) == Step("second")
    assert way.after(kind, "x", ["x", "y"]) == Step("second", frozenset("x"))
    assert way.after(kind, "y", ["x", "y"]) is None


def test_a_model_that_cannot_be_asked_is_asked_with_no_other_credential() -> None:
    way = itinerary(["second"])
    assert way.after(FailureKind.MODEL, "a", ["a", "b"]) == Step("second")
    assert way.after(FailureKind.MODEL, "x", ["x"]) is None


def test_the_callers_fault_is_tried_nowhere_else() -> None:
    assert itinerary(["second"], Retries(3)).after(FailureKind.CALLER, "a", ["a", "b"]) is None


def test_the_same_is_asked_again_after_pauses_that_double() -> None:
    way = itinerary(retries=Retries(3, 0.5))
    pauses = []
    while (step := way.after(FailureKind.TRANSIENT, "a", ["a"])) is not None:
        assert (step.model, step.avoid) == ("first", frozenset())
        pauses.append(step.pause)
    assert pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 0.4), (0.5, 0.5), (0.999999, 0.6)])
def test_pauses_differ_so_that_callers_do_not_come_back_together(chance: float, pause: float) -> None:
    step = itinerary(retries=Retries(1, 0.5), chance=chance).after(FailureKind.TRANSIENT, "a", ["a"])
    assert step is not None
    assert step.pause == pytest.approx(pause, abs=1e-5)


def test_a_provider_says_how_long_to_wait_within_reason() -> None:
    step = itinerary(retries=Retries(1, 0.5)).after(FailureKind.LIMIT, "a", ["a"], retry_after=3.0)
    assert step == Step("first", pause=3.0)
    assert itinerary(retries=Retries(1)).after(FailureKind.LIMIT, "a", ["a"], retry_after=LONGEST_PAUSE + 1) is None


def test_a_dead_key_is_not_asked_again() -> None:
    assert itinerary(retries=Retries(3)).after(FailureKind.CREDENTIAL, "a", ["a"]) is None


def test_a_model_that_cannot_be_asked_at_all_costs_no_retry() -> None:
    way = itinerary(["nobody's"], Retries(1, 0.5))
    assert way.after(FailureKind.TRANSIENT, "a", ["a"]) == Step("nobody's")
    assert way.pass_over() == Step("first", pause=0.5)
    assert way.after(FailureKind.TRANSIENT, "a", ["a"]) is None


def test_a_model_is_named_once() -> None:
    way = itinerary(["first", "second", "second"])
    assert way.after(FailureKind.MODEL, "a", ["a"]) == Step("second")
    assert way.after(FailureKind.MODEL, "a", ["a"]) is None


@given(
    st.lists(st.sampled_from("abcdef"), max_size=20),
    st.integers(0, 12),
    st.lists(st.sampled_from(list(FailureKind)), min_size=50, max_size=50),
    st.integers(1, 5),
)
def test_every_journey_ends(fallbacks: list[str], count: int, kinds: list[FailureKind], credentials: int) -> None:
    way = itinerary(fallbacks, Retries(count, 5.0))
    candidates = [str(number) for number in range(credentials)]
    attempts, avoid = 1, frozenset[str]()
    for kind in kinds:
        usable = [name for name in candidates if name not in avoid]
        assert usable, "every credential is avoided"
        step = way.after(kind, usable[0], candidates)
        if step is None:
            break
        attempts, avoid = attempts + 1, step.avoid
        assert 0 <= step.pause <= LONGEST_PAUSE
    assert attempts <= MOST_ATTEMPTS
