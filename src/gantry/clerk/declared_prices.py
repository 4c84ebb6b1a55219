"""The `[[prices]]` of gantry.toml, kept where all processes of the machine read prices.

Law: what cannot be used is said and left out; the others hold.
"""

from collections.abc import Iterable, Iterator, Sequence

from gantry.prices.folder import PriceFolder
from gantry.prices.operator_rates import TOLD, operator_line
from gantry.prices.overrides import RateLine
from gantry.settings import DeclaredPrice


def apply_declared_prices(folder: PriceFolder, declared: Sequence[DeclaredPrice]) -> list[str]:
    """Keep what is declared in place of what was before, and return what is wrong with it."""
    problems: list[str] = []
    folder.put_declared(list(_lines_of(declared, problems)))
    return problems


def _lines_of(declared: Iterable[DeclaredPrice], problems: list[str]) -> Iterator[RateLine]:
    for one in declared:
        prices = {name: getattr(one, name) for name in TOLD}
        try:
            yield operator_line(one.provider, one.models, one.since, prices, one.service_tier)
        except ValueError as error:
            problems.append(f"gantry.toml: {error}")
