"""What an organization has decided about money beside its limits: one value, kept as one setting.

Markup, minimum balance and what becomes of calls without a price are the operator's to say, for they are what others
pay with; the rest is the organization's own.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from gantry.core.limit_check import LimitRefused
from gantry.core.limits import PPM, Unpriced

SETTING: Final = "books"
MOST_NANO: Final = 10**18
MOST_MARKUP: Final = 100

_Nano = Annotated[int, Meta(ge=-MOST_NANO, le=MOST_NANO)]


class BookSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """As `gantry.core.limits.Books` and `CreditTerms` have them. Amounts are nano-dollars."""

    unpriced: Unpriced = Unpriced.ALLOW
    stop_streams: bool = False
    markup_ppm: Annotated[int, Meta(ge=0, le=MOST_MARKUP * PPM)] = 0
    minimum_balance: _Nano = 0
    low_balance: _Nano | None = None


DEFAULT_BOOKS: Final = BookSettings()


def read_markup(given: float) -> int:
    """Return a markup, 0.2 for a fifth on top, in millionths. Raises LimitRefused."""
    if not 0 <= given <= MOST_MARKUP:
        raise LimitRefused("markup", f"it is a share on top, from 0 to {MOST_MARKUP}: 0.2 is a fifth")
    return round(given * PPM)
