"""Where a call goes after a failure: read as a table, and it comes to an end whatever happens."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.routing.itinerary import (
    LONGEST_PAUSE,
    MOST_ATTEMPTS,
    NO_RETRIES,
    Itinerary,
    Retries,
    Step,
    Verdict,
    judge,
)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (None, Verdict.TRANSIENT),
        *((status, Verdict.STOP) for status in (300, 400, 405, 409, 413, 415, 422)),
        *((status, Verdict.ROTATE) for status in (401, 402, 403)),
        (404, Verdict.NEXT),
        (408, Verdict.TRANSIENT),
        (429, Verdict.LIMITED),
        *((status, Verdict.TRANSIENT) for status in (500, 502, 503, 504, 529)),
    ],
)
def test_what_a_status_says(status: int | None, verdict: Verdict) -> None:
    assert judge(status) is verdict


def itinerary(
    fallbacks: Sequence[str] = (), retries: Retries = NO_RETRIES, model: str = "first", chance: float = 0.5
) -> Itinerary:
    return Itinerary(model, fallbacks, retries, lambda: chance)


@pytest.mark.parametrize("verdict", [Verdict.ROTATE, Verdict.LIMITED, Verdict.TRANSIENT])
def test_credentials_come_before_models_and_each_once(verdict: Verdict) -> None:
    way = itinerary(["second"])
    assert way.after(verdict, "a", ["a", "b", "c"]) == Step("first", frozenset("a"))
    assert way.after(verdict, "c", ["a", "b", "c"]) == Step("first", frozenset("ac"))
    assert way.after(verdict, "b", ["a", "b", "c"]) == Step("second")
    assert way.after(verdict, "x", ["x", "y"]) == Step("second", frozenset("x"))
    assert way.after(verdict, "y", ["x", "y"]) is None


def test_a_model_that_cannot_be_asked_is_asked_with_no_other_credential() -> None:
    way = itinerary(["second"])
    assert way.after(Verdict.NEXT, "a", ["a", "b"]) == Step("second")
    assert way.after(Verdict.NEXT, "x", ["x"]) is None


def test_the_callers_fault_is_tried_nowhere_else() -> None:
    assert itinerary(["second"], Retries(3)).after(Verdict.STOP, "a", ["a", "b"]) is None


def test_the_same_is_asked_again_after_pauses_that_double() -> None:
    way = itinerary(retries=Retries(3, 0.5))
    pauses = []
    while (step := way.after(Verdict.TRANSIENT, "a", ["a"])) is not None:
        assert (step.model, step.avoid) == ("first", frozenset())
        pauses.append(step.pause)
    assert pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 0.4), (0.5, 0.5), (0.999999, 0.6)])
def test_pauses_differ_so_that_callers_do_not_come_back_together(chance: float, pause: float) -> None:
    step = itinerary(retries=Retries(1, 0.5), chance=chance).after(Verdict.TRANSIENT, "a", ["a"])
    assert step is not None
    assert step.pause == pytest.approx(pause, abs=1e-5)


def test_a_provider_says_how_long_to_wait_within_reason() -> None:
    step = itinerary(retries=Retries(1, 0.5)).after(Verdict.LIMITED, "a", ["a"], retry_after=3.0)
    assert step == Step("first", pause=3.0)
    assert itinerary(retries=Retries(1)).after(Verdict.LIMITED, "a", ["a"], retry_after=LONGEST_PAUSE + 1) is None


def test_a_dead_key_is_not_asked_again() -> None:
    assert itinerary(retries=Retries(3)).after(Verdict.ROTATE, "a", ["a"]) is None


def test_a_model_that_cannot_be_asked_at_all_costs_no_retry() -> None:
    way = itinerary(["nobody's"], Retries(1, 0.5))
    assert way.after(Verdict.TRANSIENT, "a", ["a"]) == Step("nobody's")
    assert way.pass_over() == Step("first", pause=0.5)
    assert way.after(Verdict.TRANSIENT, "a", ["a"]) is None


def test_a_model_is_named_once() -> None:
    way = itinerary(["first", "second", "second"])
    assert way.after(Verdict.NEXT, "a", ["a"]) == Step("second")
    assert way.after(Verdict.NEXT, "a", ["a"]) is None


@given(
    st.lists(st.sampled_from("abcdef"), max_size=20),
    st.integers(0, 12),
    st.lists(st.sampled_from(list(Verdict)), min_size=50, max_size=50),
    st.integers(1, 5),
)
def test_every_journey_ends(fallbacks: list[str], count: int, verdicts: list[Verdict], credentials: int) -> None:
    way = itinerary(fallbacks, Retries(count, 5.0))
    candidates = [str(number) for number in range(credentials)]
    attempts, avoid = 1, frozenset[str]()
    for verdict in verdicts:
        usable = [name for name in candidates if name not in avoid]
        assert usable, "every credential is avoided"
        step = way.after(verdict, usable[0], candidates)
        if step is None:
            break
        attempts, avoid = attempts + 1, step.avoid
        assert 0 <= step.pause <= LONGEST_PAUSE
    assert attempts <= MOST_ATTEMPTS
