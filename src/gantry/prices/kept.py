"""The rates of this machine out of the table that the clerk keeps in the cache, for processes that compile none."""

from pathlib import Path

from gantry.prices.folder import PriceFolder
from gantry.prices.overrides import load_overrides
from gantry.prices.rates import Rates
from gantry.prices.sealed_table import open_table, table_name


def read_rates(cache: Path, folder: PriceFolder | None = None) -> Rates | None:
    """Return the rates; None until the clerk has compiled them. Raises TableDamaged, PricesDamaged or OSError."""
    imported = None if folder is None else folder.current()
    digests = [""] if imported is None else [imported.digest, ""]  # data that cannot be compiled does not hold
    for digest in digests:
        try:
            data = (cache / table_name(digest)).read_bytes()
        except FileNotFoundError:
            continue
        return Rates(load_overrides(), open_table(data), None if folder is None else folder.operator_table())
    return None
