"""Prices and amounts as a person reads them."""

from decimal import Decimal

from gantry.core.money import NANO_PER_USD


def exact_dollars(nano: int) -> str:
    """Return an amount in dollars, to the nano-dollar."""
    return f"{Decimal(nano) / NANO_PER_USD:.9f}"
