"""What input and output cost where nothing else has a say: what most calls are, in whole numbers and one division.

Law: it says what `cost` says of a usage of nothing else, or there are no such prices.
"""

from typing import Final

from gantry.core.money import MOST_COST
from gantry.prices.rate import Rate

_MILLION: Final = 1_000_000
_HALF: Final = 500_000


class PlainPrices:
    """Nano-dollars for a million tokens."""

    __slots__ = ("given", "written")

    def __init__(self, given: int, written: int) -> None:
        self.given = given
        self.written = written

    def cost(self, input_tokens: int, output_tokens: int) -> int:
        """Return what so many tokens cost, rounded half to even."""
        amount = input_tokens * self.given + output_tokens * self.written
        quotient, rest = amount // _MILLION, amount % _MILLION
        if quotient >= MOST_COST:
            return MOST_COST
        if rest > _HALF or (rest == _HALF and quotient % 2):
            return quotient + 1
        return quotient


def plain_prices(rate: Rate) -> PlainPrices | None:
    """Return the prices of a rate; None where more than two have a say, or one is missing."""
    prices = rate.prices
    given, written = prices.input, prices.output
    if given is None or written is None or prices.above or prices.requests is not None:
        return None
    return PlainPrices(given, written)
