"""When a deployment cools, for how long, and what brings it back: read as tables. Times in milliseconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.standing import UNTOUCHED, Standing
from gantry.providers.failures import FailureKind
from gantry.routing.cooldown import (
    PROBE_MS,
    Condition,
    after_failure,
    after_success,
    claim,
    condition,
)

T0 = 1_000_000


def failed(
    standing: Standing,
    kind: FailureKind,
    now: int = T0,
    *,
    started: int | None = None,
    retry_after: float | None = None,
) -> Standing:
    began = now if started is None else started
    return after_failure(standing, kind, status=500, started=began, now=now, epoch=7, retry_after=retry_after)


@pytest.mark.parametrize(
    ("kind", "retry_after", "seconds"),
    [
        (FailureKind.CREDENTIAL, None, 60),
        (FailureKind.LIMIT, None, 2),
        (FailureKind.LIMIT, 20.0, 20),
        (FailureKind.LIMIT, 0.5, 2),
        (FailureKind.LIMIT, 86_400.0, 3600),  # a quota by the day is looked at again before
        (FailureKind.CAPACITY, None, 10),
        (FailureKind.CAPACITY, 30.0, 30),
    ],
)
def test_what_cools_at_once(kind: FailureKind, retry_after: float | None, seconds: int) -> None:
    standing = failed(UNTOUCHED, kind, retry_after=retry_after)
    end = T0 + seconds * 1000
    assert (standing.since, standing.until, standing.cooldowns) == (T0, end, 1)
    assert [condition(standing, at) for at in (T0, end - 1, end)] == [
        Condition.COOLING,
        Condition.COOLING,
        Condition.DUE,
    ]


@pytest.mark.parametrize("kind", [FailureKind.CALLER, FailureKind.MODEL])
def test_what_is_not_the_deployments_fault_changes_nothing(kind: FailureKind) -> None:
    assert failed(UNTOUCHED, kind) == UNTOUCHED


def outcome(calls: str) -> Condition:
    """Return whether calls that went well (`.`) or failed for a passing reason (`x`) cool a deployment."""
    standing = UNTOUCHED
    for call in calls:
        standing = failed(standing, FailureKind.TRANSIENT) if call == "x" else after_success(standing, started=T0)
        if condition(standing, T0) is Condition.COOLING:
            return Condition.COOLING
    return Condition.WELL


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        ("x", Condition.WELL),
        ("xxx", Condition.WELL),
        ("xxxx", Condition.COOLING),
        ("x." * 20, Condition.WELL),
        ("xx." * 10, Condition.COOLING),
        ("....................xxx", Condition.WELL),
    ],
)
def test_what_passes_cools_when_it_is_most_calls(calls: str, told: Condition) -> None:
    assert outcome(calls) is told


def test_each_cooldown_is_twice_as_long_up_to_a_bound() -> None:
    standing, now, pauses = UNTOUCHED, T0, []
    for _ in range(7):
        standing = failed(standing, FailureKind.CAPACITY, now)
        pauses.append((standing.until - now) // 1000)
        now = standing.until
    assert pauses == [10, 20, 40, 60, 60, 60, 60]


def test_calls_from_before_a_cooldown_neither_lengthen_nor_end_it() -> None:
    standing = failed(UNTOUCHED, FailureKind.CAPACITY)
    assert failed(standing, FailureKind.CAPACITY, T0 + 500, started=T0 - 1) == standing
    assert after_success(standing, started=T0 - 1) == standing
    assert after_success(standing, started=T0 + 1) == UNTOUCHED


def test_one_call_probes_and_if_it_is_lost_the_next_may() -> None:
    standing = claim(failed(UNTOUCHED, FailureKind.CAPACITY), T0 + 10_000)
    assert condition(standing, T0 + 10_000) is Condition.COOLING
    assert condition(standing, T0 + 10_000 + PROBE_MS) is Condition.DUE
    assert after_success(standing, started=T0 + 10_001) == UNTOUCHED


kinds = st.sampled_from(list(FailureKind))


@given(st.lists(st.tuples(st.none() | kinds, st.integers(0, 100_000), st.none() | st.floats(0, 1e6)), max_size=60))
def test_numbers_fit_the_board_and_success_always_heals(
    events: list[tuple[FailureKind | None, int, float | None]],
) -> None:
    standing, now = UNTOUCHED, T0
    for kind, passed, retry_after in events:
        now += passed
        if kind is None:
            standing = after_success(standing, started=now)
        else:
            standing = failed(standing, kind, now, retry_after=retry_after)
        assert all(0 <= number < 1 << 63 for number in standing)
        assert 0 <= standing.failing <= 1000
        assert standing.until - now <= 3_600_000
        assert bool(standing.since) == (condition(standing, now) is not Condition.WELL)
    for _ in range(40):
        standing = after_success(standing, started=now)
    assert standing == UNTOUCHED
