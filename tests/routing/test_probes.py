"""When a deployment is left alone, for how long, and who tries it again: read as tables of events."""

import pytest

from gantry.core.standing import UNTOUCHED, Standing
from gantry.providers.failures import FailureKind
from gantry.routing.cooldown import PROBE_MS, Condition, after_failure, after_success, claim, condition

CREDENTIAL, LIMIT, CAPACITY, TRANSIENT = (
    FailureKind.CREDENTIAL,
    FailureKind.LIMIT,
    FailureKind.CAPACITY,
    FailureKind.TRANSIENT,
)
NOW = 1_000_000


def failed(
    standing: Standing, kind: FailureKind, now: int, *, started: int | None = None, retry_after: float | None = None
) -> Standing:
    began = now if started is None else started
    return after_failure(standing, kind, status=500, started=began, now=now, epoch=1, retry_after=retry_after)


def pause(standing: Standing, now: int) -> int:
    return standing.until - now


@pytest.mark.parametrize(
    ("kind", "first", "longest"),
    [(CREDENTIAL, 60_000, 900_000), (LIMIT, 2_000, 60_000), (CAPACITY, 10_000, 60_000)],
)
def test_a_probe_that_fails_doubles_the_cooldown_up_to_a_longest(kind: FailureKind, first: int, longest: int) -> None:
    standing, now, pauses = UNTOUCHED, NOW, []
    for _ in range(8):
        standing = failed(standing, kind, now)
        pauses.append(pause(standing, now))
        now = standing.until
        assert condition(standing, now - 1) is Condition.COOLING
        assert condition(standing, now) is Condition.DUE
        standing = claim(standing, now)
        assert condition(standing, now) is Condition.COOLING
    assert pauses == [min(first * 2**count, longest) for count in range(8)]


def test_what_is_transient_cools_after_four_failures_in_a_row() -> None:
    standing = UNTOUCHED
    conditions = []
    for _ in range(4):
        standing = failed(standing, TRANSIENT, NOW)
        conditions.append(condition(standing, NOW))
    assert conditions == [Condition.WELL] * 3 + [Condition.COOLING]
    assert pause(standing, NOW) == 5_000


def test_one_in_three_failing_never_cools() -> None:
    standing = UNTOUCHED
    for number in range(300):
        moment = NOW + number
        standing = failed(standing, TRANSIENT, moment) if number % 3 == 0 else after_success(standing, started=moment)
        assert condition(standing, moment) is Condition.WELL


@pytest.mark.parametrize("kind", [CREDENTIAL, LIMIT, CAPACITY, TRANSIENT])
def test_a_hundred_calls_that_fail_during_a_cooldown_make_it_no_longer(kind: FailureKind) -> None:
    """Another worker may not know of it yet, and a call that has nowhere else to go is sent regardless."""
    standing = UNTOUCHED
    while condition(standing, NOW) is Condition.WELL:
        standing = failed(standing, kind, NOW)
    after = standing
    for number in range(100):
        after = failed(after, kind, NOW + number)
    assert (after.until, after.cooldowns) == (standing.until, 1)


def test_a_call_from_before_the_cooldown_changes_nothing() -> None:
    standing = failed(UNTOUCHED, LIMIT, NOW)
    assert failed(standing, CREDENTIAL, NOW + 10, started=NOW - 1) == standing
    assert after_success(standing, started=NOW - 1) == standing


def test_a_provider_says_how_long_also_to_a_call_that_was_sent_regardless() -> None:
    standing = failed(UNTOUCHED, LIMIT, NOW, retry_after=30)
    assert pause(standing, NOW) == 30_000
    assert pause(failed(standing, LIMIT, NOW + 1000, retry_after=60), NOW + 1000) == 60_000
    assert failed(standing, LIMIT, NOW + 1000, retry_after=3).until == standing.until
    assert pause(failed(UNTOUCHED, LIMIT, NOW, retry_after=86_400), NOW) == 3_600_000


def test_a_probe_nobody_hears_of_makes_room_for_another() -> None:
    standing = failed(UNTOUCHED, LIMIT, NOW)
    probed = claim(standing, standing.until)
    assert condition(probed, standing.until + PROBE_MS - 1) is Condition.COOLING
    assert condition(probed, standing.until + PROBE_MS) is Condition.DUE


def test_any_success_since_it_began_ends_a_cooldown() -> None:
    standing = failed(UNTOUCHED, CREDENTIAL, NOW)
    assert after_success(standing, started=NOW) == UNTOUCHED
    assert after_success(claim(standing, standing.until), started=standing.until) == UNTOUCHED


@pytest.mark.parametrize("kind", [FailureKind.CALLER, FailureKind.MODEL])
def test_what_is_the_callers_fault_changes_nothing(kind: FailureKind) -> None:
    assert failed(UNTOUCHED, kind, NOW) == UNTOUCHED
