"""History priced again, batch by batch, and the drift that this shows.

Law: after any exception a step may be repeated; what was written stays written, and is not written again.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from gantry.clerk.reprice import FindCustom, Left, reprice
from gantry.core.priced_log import NewPrice, PricedLog
from gantry.prices.rates import Rates
from gantry.store.logs import LogStore
from gantry.store.repricing import START, PricedQuery

BATCH: Final = 2000  # logs: some tens of milliseconds in which nobody else writes to SQLite

Served = tuple[str, str]  # provider and model; "" where unknown


class Sums(Struct):
    """What some logs cost before and after."""

    logs: int = 0
    changed: int = 0
    now_priced: int = 0
    now_unknown: int = 0
    before: int = 0
    after: int = 0

    def add(self, other: "Sums") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Drift:
    """How costs have moved, by provider and model, and how many logs were left as they are."""

    def __init__(self) -> None:
        self.by_served: defaultdict[Served, Sums] = defaultdict(Sums)
        self.left: Counter[Left] = Counter()

    def add_log(self, log: PricedLog) -> None:
        sums = self._sums_of(log)
        sums.logs += 1
        sums.before += log.cost or 0
        sums.after += log.cost or 0

    def add_price(self, price: NewPrice) -> None:
        """Add the change of a log that was added."""
        log, sums = price.log, self._sums_of(price.log)
        sums.changed += 1
        sums.after += (price.cost or 0) - (log.cost or 0)
        sums.now_priced += log.cost is None and price.cost is not None
        sums.now_unknown += log.cost is not None and price.cost is None

    def total(self) -> Sums:
        total = Sums()
        for sums in self.by_served.values():
            total.add(sums)
        return total

    def _sums_of(self, log: PricedLog) -> Sums:
        return self.by_served[log.provider_id or "", log.model or ""]


class Recompute:
    """Prices the logs of a query again. `mark` is behind the last log that is done."""

    def __init__(
        self,
        store: LogStore,
        query: PricedQuery,
        rates: Rates,
        find_custom: FindCustom,
        *,
        dry_run: bool = False,
        moved: Callable[[Sequence[NewPrice]], None] = lambda _: None,
    ) -> None:
        """`moved` hears of prices that were written."""
        self._moved = moved
        self._store = store
        self._query = query
        self._rates = rates
        self._find_custom = find_custom
        self._dry_run = dry_run
        self.mark = START
        self.drift = Drift()

    def step(self, batch: int = BATCH) -> bool:
        """Do one batch, and return whether there may be another. Raises StoreUnavailable."""
        page = self._store.priced_logs(self._query, self.mark, batch)
        if not page:
            return False
        prices, left = [], []
        for log in page:
            found = reprice(log, self._rates, self._find_custom)
            if isinstance(found, Left):
                left.append(found)
            elif found is not None:
                prices.append(found)
        if prices and not self._dry_run:
            prices = self._store.reprice(prices)
            self._moved(prices)
        self.mark = page[-1].started_at, page[-1].seq
        self.drift.left.update(left)
        for log in page:
            self.drift.add_log(log)
        for price in prices:
            self.drift.add_price(price)
        return len(page) == batch
