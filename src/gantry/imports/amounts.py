"""Numbers and moments as other programs write them down. Pure.

Law: what comes out is a number that counts: finite, and no larger than can be stored. A value that is none is None, and
whoever reads it says so in its place.
"""

from datetime import UTC, datetime
from typing import Any, Final

LARGEST: Final = 2**63 - 1  # what a database and gantry.toml hold


def number_in(value: Any) -> float | None:
    """Return a number, one written as text too; None for anything else."""
    if value in (None, "") or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) <= LARGEST else None  # which no comparison says of what is not finite


def amount_in(value: Any) -> float | None:
    """Return a number that is written as one; text is none."""
    return number_in(value) if isinstance(value, int | float) else None


def moment_in(value: Any) -> datetime | None:
    """Return a time; without a zone it is UTC."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
