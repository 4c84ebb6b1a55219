"""The rates in a worker, for calls that ask what they cost or must: the clerk's compiled table, read on first use.

Law: a worker that is never asked never reads it, and no call waits for it. The file's name says all that it was made
from, so what was read stays right until prices are imported or set; until the clerk has made it, costs are unknown.
"""

import asyncio
import logging
from pathlib import Path

from gantry.prices.folder import PriceFolder, PricesDamaged, Stamp
from gantry.prices.kept import read_rates
from gantry.prices.rates import Rates
from gantry.prices.sealed_table import TableDamaged

logger = logging.getLogger(__name__)


class KeptRates:
    """`rates` is None until they are here."""

    __slots__ = ("_cache", "_folder", "_reading", "_stamp", "rates")

    def __init__(self, cache: Path, folder: PriceFolder | None = None) -> None:
        self._cache = cache
        self._folder = folder
        self._stamp: Stamp = ()
        self._reading: asyncio.Future[Rates | None] | None = None
        self.rates: Rates | None = None

    def want(self) -> None:
        """Read them in a thread, unless they are here or being read."""
        if self.rates is None and self._reading is None:
            self._start()

    def look(self) -> None:
        """Read them again if they are here and others have taken their place; those that are here hold meanwhile."""
        if self.rates is None or self._reading is not None or self._folder is None:
            return
        if self._folder.stamp() != self._stamp:
            self._start()

    def _start(self) -> None:
        if self._folder is not None:
            self._stamp = self._folder.stamp()
        self._reading = asyncio.get_running_loop().run_in_executor(None, _read, self._cache, self._folder)
        self._reading.add_done_callback(self._take)

    async def settled(self) -> None:
        """Return once they are here, if they are being read."""
        if self._reading is not None:
            await asyncio.wait((self._reading,))

    def read_now(self) -> Rates | None:
        """Return them, read in this thread, which is not the loop's, if they are not here yet."""
        if self.rates is None:
            if self._folder is not None:
                self._stamp = self._folder.stamp()
            self.rates = _read(self._cache, self._folder)
        return self.rates

    def _take(self, reading: asyncio.Future[Rates | None]) -> None:
        self._reading = None
        if not reading.cancelled():
            self.rates = reading.result() or self.rates


def _read(cache: Path, folder: PriceFolder | None) -> Rates | None:
    try:
        return read_rates(cache, folder)
    except (TableDamaged, PricesDamaged, OSError) as error:
        logger.warning("the prices in %s cannot be used, so what calls cost is not known here: %s", cache, error)
        return None
