"""Terms of counters for tests, and a naive model of what they count: plain dictionaries, no windows remembered."""

from collections.abc import Sequence
from fractions import Fraction

from gantry.core.limits import CounterKind, CounterTerms, LimitUnit, counter_key, marked_up
from gantry.core.periods import Period, window_at

NOW = 2_679_612_800_000_000_000  # 2054: what a server keeps for a window goes when that is over, by its own clock
MINUTE = 60_000_000_000
KINDS = {LimitUnit.CONCURRENCY: CounterKind.GAUGE}


def terms_of(
    name: str,
    unit: LimitUnit = LimitUnit.COST,
    capacity: int = 100,
    *,
    kind: CounterKind | None = None,
    blocks: bool = True,
    period: Period = Period.LIFETIME,
    anchor: int = 0,
    markup_ppm: int = 0,
    alerts: tuple[int, ...] = (),
) -> CounterTerms:
    chosen = KINDS.get(unit, CounterKind.WINDOW) if kind is None else kind
    key = counter_key("org", name)
    return CounterTerms(key, chosen, unit, capacity, blocks, name, name, period, anchor, markup_ppm, alerts)


class NaiveCounters:
    """What `Counters` counts, told by what calls did: every question adds up all calls again."""

    def __init__(self) -> None:
        self.counts: dict[tuple[bytes, int], int] = {}
        self.buckets: dict[bytes, tuple[Fraction, int]] = {}  # missing, when
        self.under_way: dict[bytes, int] = {}

    def read(self, term: CounterTerms, now: int) -> int:
        if term.kind is CounterKind.GAUGE:
            return self.under_way.get(term.key, 0)
        if term.kind is CounterKind.RATE:
            return -(-self._missing(term, now) // 1)
        return self.counts.get((term.key, window_at(term.period, now, term.anchor).number), 0)

    def hold(self, terms: Sequence[CounterTerms], cost: int | None, tokens: int, now: int) -> bool:
        for term in terms:
            amount, current = self.amount(term, cost or 0, tokens), self.read(term, now)
            exhausted = term.unit is LimitUnit.COST and cost is None and current >= term.capacity
            if term.blocks and (exhausted or (amount > 0 and current + amount > term.capacity)):
                return False
        for term in terms:
            self.add(term, self.amount(term, cost or 0, tokens), now, now)
        return True

    def add(self, term: CounterTerms, amount: int, began: int, now: int) -> None:
        if term.kind is CounterKind.GAUGE:
            self.under_way[term.key] = self.under_way.get(term.key, 0) + amount
        elif term.kind is CounterKind.RATE:
            self.buckets[term.key] = self._missing(term, now) + amount, now
        else:
            place = term.key, window_at(term.period, began, term.anchor).number
            self.counts[place] = max(0, self.counts.get(place, 0) + amount)

    @staticmethod
    def amount(term: CounterTerms, cost: int, tokens: int) -> int:
        if term.unit is LimitUnit.COST:
            return marked_up(cost, term.markup_ppm)
        return tokens if term.unit is LimitUnit.TOKENS else 1

    def _missing(self, term: CounterTerms, now: int) -> Fraction:
        missing, at = self.buckets.get(term.key, (Fraction(0), now))
        return max(Fraction(0), missing - Fraction((now - at) * term.capacity, MINUTE))
