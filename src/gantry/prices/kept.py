"""The rates of this version out of the table that the clerk keeps in the cache, for processes that only show prices."""

from pathlib import Path

from gantry.prices.overrides import load_overrides
from gantry.prices.rates import Rates
from gantry.prices.sealed_table import open_table, table_name


def read_rates(cache: Path) -> Rates | None:
    """Return the rates; None until the clerk has compiled them. Raises TableDamaged or OSError."""
    try:
        data = (cache / table_name()).read_bytes()
    except FileNotFoundError:
        return None
    return Rates(load_overrides(), open_table(data))
