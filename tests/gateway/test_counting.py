"""What one call asks of this machine's counters, some time after it began."""

import time
from pathlib import Path

from gantry.board.counters import Counters
from gantry.board.held import Held
from gantry.core.limit_terms import terms_of
from gantry.core.limits import LimitUnit
from gantry.core.periods import Period
from gantry.gateway.counting import Counting
from tests.gateway.books import limit

SECOND = 1_000_000_000


def test_a_later_attempt_finds_what_has_filled_up_since_its_call_began(tmp_path: Path) -> None:
    counters = Counters(tmp_path / "counters")
    terms = [terms_of("o1", limit(60, LimitUnit.REQUESTS, period=Period.MINUTE))]
    now = time.time_ns()
    for _ in range(40):
        assert isinstance(counters.hold(terms, 0, 0, now), Held)
    later = Counting(counters, None, now - 30 * SECOND)
    answer = later.hold(terms, 0, 0)
    assert isinstance(answer, Held)
    assert answer.standings[0].current in (39, 40)  # one fills up each second
    later.release(answer)
    assert counters.read(terms[0], now) == 40
    counters.close()
