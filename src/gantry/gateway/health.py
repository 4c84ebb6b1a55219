"""What a worker knows of deployments: their standing, shared by the machine's workers, and its own calls to them.

Law: health is learned from live calls alone, and costs nothing while nothing is wrong. Bounded: callers name models, so
what is known by name must not add up.
"""

import math
import time
from typing import Final

from gantry.board.health import HealthBook
from gantry.core.standing import Standing
from gantry.gateway.kept_rates import KeptRates
from gantry.prices.custom import custom_rate
from gantry.prices.rates import Rates
from gantry.providers.failures import FailureKind
from gantry.routing.balance import Load
from gantry.routing.cooldown import Condition, after_failure, after_success, claim, condition
from gantry.routing.plan import Attempt

_MOST_KNOWN: Final = 4096
_RECENT: Final = 2.0  # seconds in which two thirds of the answers are forgotten that a late one is held against
_FADE: Final = 10.0  # seconds in which two thirds of what a slow call taught are forgotten
_RETRY_SHARE: Final = 0.2  # of a deployment's first attempts, so that retries cannot multiply an outage
_RETRIES_HELD: Final = 10.0
_UNKNOWN: Final = Load()


class _Known:
    """This worker's calls to one deployment."""

    __slots__ = ("answered", "busy", "late", "latency", "measured_at", "recent_at", "retries")

    def __init__(self) -> None:
        self.busy = 0
        self.answered = 0.0  # of late, fading
        self.late = 0.0
        self.recent_at = 0.0
        self.latency = 0.0
        self.measured_at = 0.0
        self.retries = _RETRIES_HELD

    def fade(self, now: float) -> None:
        """Forget what is no longer recent."""
        left = math.exp((self.recent_at - now) / _RECENT)
        self.answered, self.late, self.recent_at = self.answered * left, self.late * left, now


class Health:
    """What routing is told of deployments. `clock` is the machine's monotonic one, in seconds."""

    __slots__ = ("_book", "_kept_rates", "_known", "_prices", "clock", "troubled")

    def __init__(self, book: HealthBook, kept_rates: KeptRates) -> None:
        self._book = book
        self._kept_rates = kept_rates
        self._known: dict[str, _Known] = {}
        self.troubled = book.troubled  # whether anything was ever wrong with any deployment, as far as is known here
        self._prices: dict[tuple[str, str | None], int | None] = {}  # of models that are nobody's own
        self.clock = time.monotonic

    def watch(self) -> None:
        """Look whether another worker has met with trouble."""
        self.troubled = self._book.troubled

    # What routing asks

    def condition(self, attempt: Attempt) -> Condition:
        if attempt.callers_credential or not self.troubled:
            return Condition.WELL
        return condition(self._book.standing(attempt.deployment_id), self._now())

    def cooling(self) -> int:
        """Count the deployments that are left alone now, as all workers of the machine know."""
        if not self._book.troubled:
            return 0
        now = self._now()
        return sum(condition(standing, now) is Condition.COOLING for _, standing in self._book.all())

    def load(self, attempt: Attempt) -> Load:
        known = self._known.get(attempt.deployment_id)
        return _UNKNOWN if known is None else Load(known.latency, known.busy)

    def price(self, attempt: Attempt) -> int | None:
        """Return the list price of a deployment, as `list_price`; None until the prices are here."""
        rates, route = self._kept_rates.rates, attempt.route
        if rates is None:
            self._kept_rates.want()
            return None
        if route.custom is not None:
            return list_price(rates, attempt)
        key = (route.provider.id, route.upstream_model)
        if key not in self._prices:
            if len(self._prices) >= _MOST_KNOWN:
                self._prices.clear()
            self._prices[key] = list_price(rates, attempt)
        return self._prices[key]

    @property
    def under_way(self) -> int:
        """How many of this worker's attempts are under way, as far as they were counted."""
        return sum(known.busy for known in self._known.values())

    # What calls tell

    def claim(self, attempt: Attempt) -> bool:
        """Take it upon a call to probe a deployment; False when another call has, a moment ago."""
        now = self._now()
        claimed = False

        def change(standing: Standing) -> Standing:
            nonlocal claimed
            claimed = condition(standing, now) is Condition.DUE
            return claim(standing, now) if claimed else standing

        self._book.change(attempt.deployment_id, change)
        return claimed

    def note_failure(
        self, attempt: Attempt, kind: FailureKind, started: int, status: int | None, retry_after: float | None = None
    ) -> bool:
        """Learn from an attempt that failed; `started` is what the clock said then, in milliseconds.

        Return whether a cooldown began.
        """
        if attempt.callers_credential or kind in (FailureKind.CALLER, FailureKind.MODEL):
            return False
        now, epoch = self._now(), int(time.time())
        self.troubled = True
        cooldowns = 0

        def change(standing: Standing) -> Standing:
            nonlocal cooldowns
            cooldowns = standing.cooldowns
            return after_failure(
                standing,
                kind,
                status=status or 0,
                started=started,
                now=now,
                epoch=epoch,
                retry_after=retry_after,
            )

        return self._book.change(attempt.deployment_id, change).cooldowns > cooldowns

    def note_lateness(self, attempt: Attempt, started: int) -> bool:
        """Learn from an attempt that did not answer in time. Return whether a cooldown began.

        Deadlines are looked at a few times a second, so of a busy deployment many pass at once. They count as failures
        in a row only if fewer calls were answered of late than were not.
        """
        known = self._know(attempt)
        known.fade(self.clock())
        known.late += 1
        return known.late > known.answered and self.note_failure(attempt, FailureKind.TRANSIENT, started, None)

    def note_success(self, attempt: Attempt, started: int) -> None:
        """Learn from an attempt that went through."""
        if attempt.callers_credential or not self.troubled:
            return
        name = attempt.deployment_id
        standing = self._book.standing(name)
        if any(standing):
            self._book.change(name, lambda standing: after_success(standing, started=started))

    def begin(self, attempt: Attempt, *, retry: bool) -> None:
        """Count an attempt that sets out."""
        known = self._know(attempt)
        known.busy += 1
        if not retry:
            known.retries = min(known.retries + _RETRY_SHARE, _RETRIES_HELD)

    def end(self, attempt: Attempt, latency: float | None, waited: float = 0.0) -> None:
        """Count an attempt that is over; `latency` is the seconds to its first byte, where there was one.

        Where there was none, that took longer than the seconds that were `waited` for it.
        """
        known = self._know(attempt)
        known.busy = max(known.busy - 1, 0)
        if latency is None:
            if waited > known.latency:
                known.latency, known.measured_at = waited, self.clock()
            return
        now = self.clock()
        known.fade(now)
        known.answered += 1
        if latency < known.latency:  # a slow call counts at once, a fast one as time goes by
            latency += (known.latency - latency) * math.exp((known.measured_at - now) / _FADE)
        known.latency, known.measured_at = latency, now

    def may_retry(self, attempt: Attempt) -> bool:
        """Say whether a deployment bears one more retry, and count it."""
        known = self._know(attempt)
        if known.retries < 1:
            return False
        known.retries -= 1
        return True

    def _know(self, attempt: Attempt) -> _Known:
        name = attempt.deployment_id
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known = {name: one for name, one in self._known.items() if one.busy}
            known = self._known[name] = _Known()
        return known

    def _now(self) -> int:
        return int(self.clock() * 1000)


def list_price(rates: Rates, attempt: Attempt) -> int | None:
    """Return what a deployment costs today, three tokens in for one out, in nano-dollars per million tokens."""
    now, route = time.time_ns(), attempt.route
    rate = rates.find_first(route.provider.id, (route.upstream_model,), now)
    if route.custom is not None:
        rate = custom_rate(rates, route.custom, rate, now, None)
    if rate is None or rate.prices.input is None or rate.prices.output is None:
        return None
    return (3 * rate.prices.input + rate.prices.output) // 4
