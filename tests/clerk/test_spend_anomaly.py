"""An hour's spend against its own past, on series made up here: what is usual alarms nobody, and what is not does."""

import random
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from gantry.clerk.spend_anomaly import Anomaly, hours_before, judge
from gantry.core.alert import DEFAULT_RULES

USD = 1_000_000_000
DAYS = 40
NOW = 500_000  # an hour since the epoch
Series = Callable[[int], float]  # dollars of an hour; 0 is the first


def judged(series: Series, spent: float, *, hours: int = DAYS * 24, floor: float = 1.0) -> Anomaly | None:
    """Judge an hour by a series that ends with the hour before it."""
    wanted = set(hours_before(NOW))
    past = {NOW - hours + index: round(series(index) * USD) for index in range(hours) if NOW - hours + index in wanted}
    return judge(NOW, round(spent * USD), past, replace(DEFAULT_RULES, anomaly_floor=round(floor * USD)))


def steady(_: int) -> float:
    return 5.0


def by_day(hour: int) -> float:
    """Little at night, much at noon; NOW is at noon."""
    return 20.0 if (hour - DAYS * 24) % 24 in (0, 1, 23) else 0.5


def noisy(hour: int) -> float:
    return 5.0 * random.Random(hour).lognormvariate(0, 0.4)


@pytest.mark.parametrize("series", [steady, by_day, noisy])
def test_ten_times_what_is_usual_is_told(series: Series) -> None:
    usual = series(DAYS * 24)
    found = judged(series, 10 * usual)
    assert found is not None
    assert found.spent == round(10 * usual * USD)
    assert found.threshold < found.spent
    assert 0.5 * usual * USD <= found.usual <= 2 * usual * USD


@pytest.mark.parametrize("growth", [0.0, 0.01, 0.05, 0.1, 0.25])
def test_steady_growth_by_the_day_alarms_nobody_at_any_hour(growth: float) -> None:
    def growing(hour: int) -> float:
        return float(2.0 * (1 + growth) ** (hour / 24))

    for hours in range(1, DAYS * 24, 5):
        assert judged(growing, growing(hours), hours=hours) is None


def test_noise_alarms_nobody_in_a_month() -> None:
    told = [hours for hours in range(48, DAYS * 24) if judged(noisy, noisy(hours), hours=hours) is not None]
    assert told == []


def test_the_time_of_day_is_known() -> None:
    assert judged(by_day, 20.0) is None
    night = judged(lambda hour: by_day(hour + 12), 10.0)
    assert night is not None  # what is usual at noon is not at night
    assert judged(lambda hour: by_day(hour + 1), 20.0) is None  # an hour earlier or later is


def test_what_comes_every_week_is_usual() -> None:
    def weekly(hour: int) -> float:
        return 50.0 if (DAYS * 24 - hour) % (7 * 24) == 0 else 0.1

    assert judged(weekly, 50.0) is None
    assert judged(weekly, 500.0) is not None


def test_one_bad_hour_does_not_become_what_is_usual() -> None:
    def once(hour: int) -> float:
        return 100.0 if hour == (DAYS - 3) * 24 else 5.0

    assert judged(once, 50.0) is not None


def test_small_change_is_nobodys_business() -> None:
    assert judged(lambda _: 0.001, 0.9) is None
    assert judged(lambda _: 0.001, 1.1) is not None
    assert judged(lambda _: 0.001, 1.1, floor=2.0) is None


def test_whoever_is_new_is_not_judged_and_after_a_day_by_all_hours() -> None:
    for hours in range(24):
        assert judged(steady, 1000.0, hours=hours) is None
    assert judged(steady, 50.0, hours=30) is not None
    assert judged(steady, 14.0, hours=30) is None
    assert judged(lambda hour: 0.0 if hour < 30 * 24 else 5.0, 1000.0, hours=30 * 24) is None


def test_spending_after_a_silence_is_told_from_the_floor_on() -> None:
    def silent(hour: int) -> float:
        return 5.0 if hour < 15 * 24 else 0.0

    assert judged(silent, 5.0) is None  # it was so two weeks ago
    assert judged(silent, 20.0) is not None
