"""The rates in a worker, for the few calls that ask what they cost: the clerk's compiled table, read on first use.

Law: a worker that is never asked never reads it, and no call waits for it. The file's name says all that it was made
from, so what was read stays right for as long as this process runs; until the clerk has made it, costs are unknown.
"""

import asyncio
import logging
from pathlib import Path

from gantry.prices.kept import read_rates
from gantry.prices.rates import Rates
from gantry.prices.sealed_table import TableDamaged

logger = logging.getLogger(__name__)


class KeptRates:
    """`rates` is None until they are here."""

    __slots__ = ("_cache", "_reading", "rates")

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._reading: asyncio.Future[Rates | None] | None = None
        self.rates: Rates | None = None

    def want(self) -> None:
        """Read them in a thread, unless they are here or being read."""
        if self.rates is None and self._reading is None:
            self._reading = asyncio.get_running_loop().run_in_executor(None, _read, self._cache)
            self._reading.add_done_callback(self._take)

    def read_now(self) -> Rates | None:
        """Return them, read in this thread, which is not the loop's, if they are not here yet."""
        if self.rates is None:
            self.rates = _read(self._cache)
        return self.rates

    def _take(self, reading: asyncio.Future[Rates | None]) -> None:
        self._reading = None
        if not reading.cancelled() and self.rates is None:
            self.rates = reading.result()


def _read(cache: Path) -> Rates | None:
    try:
        return read_rates(cache)
    except (TableDamaged, OSError) as error:
        logger.warning("the prices in %s cannot be used, so breakdowns have no cost: %s", cache, error)
        return None
