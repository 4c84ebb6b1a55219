"""Money: integer nano-dollars inside, decimal dollars at the edge (law 7).

A price that nobody knows is None, never 0. One nano-dollar is 1e-9 USD: a token at $0.15 per million is 150 of them, so
every published price per million tokens is exact.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import NewType

NanoUSD = NewType("NanoUSD", int)

NANO_PER_USD = 1_000_000_000
MOST_COST = 10**15  # of a call, a million dollars: beyond is no usage but nonsense, and would burst every sum it is in
_ONE = Decimal(1)


def nano_from_usd(usd: Decimal | int | float | str) -> NanoUSD:
    """Return dollars as nano-dollars, rounded half to even. Raises ValueError when the amount is not finite."""
    amount = Decimal(str(usd)) if isinstance(usd, float) else Decimal(usd)
    if not amount.is_finite():
        raise ValueError(f"an amount of money must be finite, not {usd!r}")
    return NanoUSD(int((amount * NANO_PER_USD).quantize(_ONE, rounding=ROUND_HALF_EVEN)))


def divided(amount: int, parts: int) -> NanoUSD:
    """Return an amount of smaller units in nano-dollars, rounded half to even."""
    quotient, rest = amount // parts, amount % parts
    if 2 * rest > parts or (2 * rest == parts and quotient % 2):
        quotient += 1
    return NanoUSD(quotient)


def usd_from_nano(nano: int) -> float:
    """Return nano-dollars as dollars for JSON; the float nearest to the exact amount."""
    return float(Decimal(nano) / NANO_PER_USD)
