"""How many calls may be hedged: a share of those that could be, and a few saved up for a bad moment."""

from typing import Final

_MOST_HELD: Final = 10.0  # hedges that may be saved up


class Allowance:
    """How many hedges a worker's calls may have."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = 1.0

    def earn(self, share: float) -> None:
        """Count a call that may be hedged."""
        self._left = min(self._left + share, _MOST_HELD)

    def spend(self) -> bool:
        """Take one hedge; False when there is none left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
