"""What one call asks of the counters: those of this machine answer at once, those that several machines share, later.

Law: nothing of a call waits in its middle. An answer that is not here yet is asked for, and the call begins again when
it came: then it is at hand. A refusal stays at hand, so that who begins again comes past it; what was held and is not
taken after all is given back at the end.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from gantry.board.counters import Counters
from gantry.board.held import Held, HeldElsewhere, Taking
from gantry.board.standings import Refused
from gantry.core.errors import InternalError
from gantry.core.limits import Counted, CounterTerms, LimitUnit, marked_up
from gantry.gateway.waits import Awaited, Waiting

logger = logging.getLogger(__name__)

_COST, _TOKENS = LimitUnit.COST.value, LimitUnit.TOKENS.value
_now: Final = time.time_ns
_FAULT: Final = "a fault inside the gateway; its log has the details"
_Asked = tuple[tuple[bytes, ...], int | None, int]


class SharedCounters(Protocol):
    """Counters of several machines (`gantry.board.shared_counters`): answers come by callback, perhaps at once."""

    answers: bool

    async def start(self) -> None: ...
    async def close(self) -> None: ...
    def hold(
        self,
        terms: Sequence[CounterTerms],
        cost: int | None,
        tokens: int,
        now: int,
        then: Callable[[Taking | Refused], None],
        *,
        present: int = 0,
    ) -> None: ...
    def settle(
        self, held: Taking, cost: int, tokens: int, now: int, then: Callable[[tuple[Counted, ...]], None]
    ) -> None: ...
    def release(self, held: Taking, now: int) -> None: ...


class HoldAwaited(Awaited):
    """The shared counters have not answered yet."""

    def __init__(self, ask: Callable[[Waiting], None]) -> None:
        super().__init__("an answer of the counters", ask)


class Counting:
    """One call's."""

    __slots__ = ("_answers", "_at", "_is_over", "_local", "_shared")

    def __init__(self, local: Counters, shared: SharedCounters | None, started_at: int) -> None:
        self._local = local
        self._shared = shared
        self._at = started_at  # a call counts in the windows that it began in
        self._answers: dict[_Asked, Taking | Refused] = {}
        self._is_over = False

    def hold(self, terms: Sequence[CounterTerms], cost: int | None, tokens: int) -> Taking | Refused:
        """Hold an estimate on all counters, or on none. Raises HoldAwaited."""
        if self._shared is None:
            return self._local.hold(terms, cost, tokens, self._at, present=_now())
        asked = tuple(term.key for term in terms), cost, tokens
        answer = self._answers.get(asked)
        if answer is None:
            raise HoldAwaited(partial(self._ask, self._shared, asked, terms))
        if not isinstance(answer, Refused):
            del self._answers[asked]
        return answer

    def hold_soon(
        self, terms: Sequence[CounterTerms], cost: int, tokens: int, then: Callable[[Taking | Refused], None]
    ) -> None:
        """As `hold`, for a call that does not wait for the answer."""
        if self._shared is None:
            then(self._local.hold(terms, cost, tokens, self._at, present=_now()))
        else:
            self._shared.hold(terms, cost, tokens, self._at, then, present=_now())

    def settle(self, held: Taking, cost: int, tokens: int) -> Taking:
        """Put what it was in the place of an estimate; return what is counted now, or will be in a moment."""
        if isinstance(held, Held):
            return self._local.settle(held, cost, tokens, self._at)
        assert self._shared is not None, "it has held it"
        told: list[Sequence[Counted]] = []
        will_be = tuple(_counted(one, cost, tokens) for one in held.counted)
        self._shared.settle(held, cost, tokens, self._at, told.append)
        return HeldElsewhere(tuple(told[0]) if told else will_be)

    def release(self, held: Taking) -> None:
        """Count nothing of it any more."""
        if isinstance(held, Held):
            self._local.release(held, self._at)
        elif self._shared is not None:
            self._shared.release(held, self._at)

    def close(self) -> None:
        """Give back what was held and never taken."""
        self._is_over = True
        if self._answers:
            for answer in self._answers.values():
                if not isinstance(answer, Refused):
                    self.release(answer)
            self._answers.clear()

    def _ask(self, shared: SharedCounters, asked: _Asked, terms: Sequence[CounterTerms], then: Waiting) -> None:
        _, cost, tokens = asked
        shared.hold(terms, cost, tokens, self._at, partial(self._answer, asked, then), present=_now())

    def _answer(self, asked: _Asked, then: Waiting, answer: Taking | Refused) -> None:
        if self._is_over:
            if not isinstance(answer, Refused):
                self.release(answer)
            return
        self._answers[asked] = answer
        try:
            then(None)
        except Exception:  # the boundary of a call: nobody else hears of its fault
            logger.exception("a call failed inside the gateway")
            then(InternalError(_FAULT))


def _counted(one: Counted, cost: int, tokens: int) -> Counted:
    amount = 1
    if one.unit == _COST:
        amount = marked_up(max(cost, 0), one.markup_ppm)
    elif one.unit == _TOKENS:
        amount = max(tokens, 0)
    return Counted(one.key, one.unit, one.kind, one.window, amount, one.markup_ppm, one.board)
