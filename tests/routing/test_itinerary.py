"""Where a call goes first and after a failure: read as a table, and it comes to an end whatever happens."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.providers.failures import FailureKind
from gantry.routing.balance import Reason
from gantry.routing.cooldown import Condition
from gantry.routing.itinerary import LONGEST_PAUSE, MOST_ATTEMPTS, Itinerary, Step, StepKind
from gantry.routing.plan import Plan
from gantry.routing.verdict import judge
from tests.routing.boards import Known, attempt, choice, plan_of

CREDENTIAL, LIMIT, TRANSIENT = FailureKind.CREDENTIAL, FailureKind.LIMIT, FailureKind.TRANSIENT
CALLER, MODEL, CAPACITY = FailureKind.CALLER, FailureKind.MODEL, FailureKind.CAPACITY


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (None, TRANSIENT),
        *((status, CALLER) for status in (300, 400, 405, 409, 413, 415, 422)),
        *((status, CREDENTIAL) for status in (401, 402, 403)),
        (404, MODEL),
        (408, TRANSIENT),
        (429, LIMIT),
        *((status, TRANSIENT) for status in (500, 502, 503, 504, 529)),
    ],
)
def test_what_a_status_says(status: int | None, kind: FailureKind) -> None:
    assert judge((), status) is kind


def itinerary(plan: Plan, chance: float = 0.5, conditions: Mapping[str, Condition] | None = None) -> Itinerary:
    return Itinerary(plan, Known(conditions), lambda: chance)


def way(plan: Plan, *kinds: FailureKind, conditions: Mapping[str, Condition] | None = None) -> str:
    """Return where a call goes while its attempts fail in these ways: `first/a rotation/b …`, as far as it goes."""
    road = itinerary(plan, 0.0, conditions)
    step = road.begin()
    told = []
    for kind in (*kinds, None):
        if step is None:
            told.append("end")
            break
        told.append(f"{step.kind} {step.drawn.attempt.asked}/{step.drawn.attempt.credential.name}")
        step = None if kind is None else road.after(step.drawn.attempt, kind)
    return ", ".join(told)


TWO = plan_of(choice("first", "ab"), choice("second", "xy"))
ONE = plan_of(choice("first", "a"), choice("second", "x"))
COOLING, DUE = Condition.COOLING, Condition.DUE


@pytest.mark.parametrize("kind", [CREDENTIAL, LIMIT, CAPACITY, TRANSIENT])
def test_credentials_come_before_models_and_each_once(kind: FailureKind) -> None:
    assert way(TWO, kind, kind, kind, kind) == (
        "first first/a, rotation first/b, fallback second/x, rotation second/y, end"
    )


@pytest.mark.parametrize(
    ("plan", "kinds", "conditions", "road"),
    [
        (TWO, (MODEL, MODEL), {}, "first first/a, fallback second/x, end"),
        (TWO, (CALLER,), {}, "first first/a, end"),
        (TWO, (LIMIT,), {"a": COOLING}, "first first/b, fallback second/x"),
        (TWO, (LIMIT,), {"b": COOLING}, "first first/a, fallback second/x"),
        (TWO, (), {"a": COOLING, "b": COOLING}, "fallback second/x"),
        (TWO, (LIMIT,), dict.fromkeys("abxy", COOLING), "first first/a, end"),
        (TWO, (LIMIT,), {"b": DUE}, "first first/b, rotation first/a"),
        (ONE, (TRANSIENT,), {"x": COOLING}, "first first/a, end"),
        (plan_of(choice("first", "a"), retries=1), (TRANSIENT, TRANSIENT), {}, "first first/a, retry first/a, end"),
        (plan_of(choice("first", "a"), retries=1), (CREDENTIAL,), {}, "first first/a, end"),
        (plan_of(choice("first", "a"), retries=1), (TRANSIENT,), {"a": COOLING}, "first first/a, retry first/a"),
        (plan_of(choice("first", "a"), choice("second", "a")), (LIMIT,), {}, "first first/a, fallback second/a"),
    ],
)
def test_roads(plan: Plan, kinds: tuple[FailureKind, ...], conditions: Mapping[str, Condition], road: str) -> None:
    assert way(plan, *kinds, conditions=conditions) == road


def test_a_callers_dead_key_is_told_and_followed_by_none_of_ours() -> None:
    callers = attempt("caller", callers=True)
    plan = plan_of(choice("first", "a"), choice("second", "x"))
    assert itinerary(plan).after(callers, CREDENTIAL) is None
    step = itinerary(plan).after(callers, TRANSIENT)
    assert step is not None  # what is nobody's fault may be answered by what the caller named


def test_what_is_due_is_probed_by_one_call() -> None:
    known = Known({"b": DUE})
    first = Itinerary(TWO, known, lambda: 0.0).begin()
    second = Itinerary(TWO, known, lambda: 0.0).begin()
    assert first is not None
    assert second is not None
    assert (first.drawn.attempt.credential.name, first.drawn.reason) == ("b", Reason.PROBE)
    assert second.drawn.attempt.credential.name == "a"
    assert known.probed == ["b"]


def pauses(count: int, pause: float, chance: float = 0.5, retry_after: float | None = None) -> list[float]:
    road = itinerary(plan_of(choice("first", "a"), retries=count, pause=pause), chance)
    step = road.begin()
    found = []
    while step is not None:
        step = road.after(step.drawn.attempt, LIMIT, retry_after)
        found += [] if step is None else [step.pause]
    return found


def test_the_same_is_asked_again_after_pauses_that_double() -> None:
    assert pauses(3, 0.5) == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 0.4), (0.5, 0.5), (0.999999, 0.6)])
def test_pauses_differ_so_that_callers_do_not_come_back_together(chance: float, pause: float) -> None:
    assert pauses(1, 0.5, chance) == [pytest.approx(pause, abs=1e-5)]


def test_a_provider_says_how_long_to_wait_within_reason() -> None:
    assert pauses(1, 0.5, retry_after=3.0) == [3.0]
    assert pauses(1, 0.5, retry_after=LONGEST_PAUSE + 1) == []


def test_a_deployment_that_bears_no_more_retries_gets_none() -> None:
    road = Itinerary(plan_of(choice("first", "a"), retries=3), Known(), lambda: 0.5, may_retry=lambda one: False)
    step = road.begin()
    assert step is not None
    assert road.after(step.drawn.attempt, TRANSIENT) is None


def test_a_model_that_cannot_be_asked_at_all_costs_no_retry() -> None:
    road = itinerary(plan_of(choice("first", "a"), choice("nobody's", "x"), retries=1))
    step = road.begin()
    assert step is not None
    step = road.after(step.drawn.attempt, TRANSIENT)
    assert step is not None
    assert step.kind is StepKind.FALLBACK
    step = road.pass_over()
    assert step is not None
    assert (step.kind, step.drawn.attempt.asked, step.pause) == (StepKind.RETRY, "first", 0.5)
    assert road.after(step.drawn.attempt, TRANSIENT) is None


@pytest.mark.parametrize(("names", "beside"), [("ab", "b"), ("a", "a")])
def test_a_hedge_goes_elsewhere_if_it_can(names: str, beside: str) -> None:
    road = itinerary(plan_of(choice("first", names)), 0.0)
    step = road.begin()
    assert step is not None
    hedge = road.beside(step.drawn.attempt)
    assert isinstance(hedge, Step)
    assert (hedge.kind, hedge.drawn.attempt.credential.name) == (StepKind.HEDGE, beside)


@pytest.mark.parametrize(("names", "third"), [("abc", "c"), ("ab", "x")])
def test_nobody_goes_back_at_once_to_either_of_two_that_ran_beside_each_other(names: str, third: str) -> None:
    road = itinerary(plan_of(choice("first", names), choice("second", "x")), 0.0)
    step = road.begin()
    assert step is not None
    hedge = road.beside(step.drawn.attempt)
    assert hedge is not None
    step = road.after(hedge.drawn.attempt, TRANSIENT)  # it was the last that failed, and the only one that is told of
    assert step is not None
    assert step.drawn.attempt.credential.name == third


def test_a_drained_plan_begins_nowhere() -> None:
    assert itinerary(plan_of(choice("first", "ab", weights=(0, 0)))).begin() is None


@given(
    st.lists(st.text("abcdef", min_size=1, max_size=5).map(lambda names: "".join(dict.fromkeys(names))), max_size=6),
    st.integers(0, 12),
    st.lists(st.sampled_from(list(FailureKind)), min_size=50, max_size=50),
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(list(Condition))),
    st.floats(0, 0.999),
)
def test_every_journey_ends(
    models: list[str], retries: int, kinds: list[FailureKind], conditions: dict[str, Condition], chance: float
) -> None:
    choices = [choice(f"m{place}", names) for place, names in enumerate(["a", *models])]
    road = itinerary(plan_of(*choices, retries=retries, pause=5.0), chance, conditions)
    step = road.begin()
    attempts = 0
    seen: set[str] = set()
    for kind in kinds:
        if step is None:
            break
        attempts += 1
        assert 0 <= step.pause <= LONGEST_PAUSE
        name = step.drawn.attempt.deployment_id
        assert step.kind is StepKind.RETRY or name not in seen, "the same is asked again at once"
        seen = {name} if step.kind is StepKind.RETRY else seen | {name}
        step = road.after(step.drawn.attempt, kind)
    assert attempts <= MOST_ATTEMPTS
