"""What a provider says that a call cost, beside ours: OpenRouter, Perplexity and xAI tell it in the usage.

Law: ours is what counts, everywhere; theirs is a check of it. Where they are apart, the log says so.
"""

from typing import Final

from gantry.clerk.charge import Charge
from gantry.core.money import NANO_PER_USD
from gantry.dialects.usage import told_cost_in

_NAMES: Final = '"cost'
_SHARE: Final = 100  # apart by more than a hundredth
_LEAST: Final = 1000  # nano-dollars, which may be rounding


def find_difference(usage_raw: str | None, charge: Charge) -> str | None:
    """Return in words how the cost that a usage tells differs from the charge; None where it does not."""
    if usage_raw is None or _NAMES not in usage_raw:
        return None
    told = told_cost_in(usage_raw.encode())
    if told is None:
        return None
    if charge.cost is None:
        return f"the provider says that this cost {_dollars(told)} USD; by our rates it is unknown"
    apart = abs(told - charge.cost)
    if apart <= _LEAST or apart * _SHARE <= max(told, charge.cost):
        return None
    return f"the provider says that this cost {_dollars(told)} USD; by our rates it is {_dollars(charge.cost)}"


def _dollars(nano: int) -> str:
    return f"{nano // NANO_PER_USD}.{nano % NANO_PER_USD:09}"
