"""Counters on a server, as alerts ask them: in little time whatever the server does.

Law: whoever looks for alerts records, too, so of every two seconds it waits for a fifth of one at most. What is not
answered in that is as if nothing was counted: nobody is told now, and the next look tells.
"""

import time
from collections.abc import Callable
from typing import Final

from gantry.board.all_counters import SharedSilent, open_ledger
from gantry.core.limits import CounterTerms
from gantry.core.secret import Secret

_TIMEOUT: Final = 0.1
_SPAN, _SHARE = 2.0, 0.2  # seconds


class BoundedReading:
    """For one thread."""

    def __init__(self, url: Secret, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ledger = open_ledger(url, _TIMEOUT)
        self._monotonic = monotonic
        self._began = -_SPAN
        self._left = 0.0

    def read(self, terms: CounterTerms, now: int) -> int:
        """Return what is counted at a moment; 0 where the server is not asked, or silent."""
        moment = self._monotonic()
        if moment - self._began >= _SPAN:
            self._began, self._left = moment, _SHARE
        if self._left <= 0:
            return 0
        try:
            value = self._ledger.read(terms, now)
        except SharedSilent:
            self._left = 0.0
            return 0
        self._left -= self._monotonic() - moment
        return value
