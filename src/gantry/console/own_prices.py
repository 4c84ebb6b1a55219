"""The operator's own prices, set and taken back; for the API and the CLI.

Law: what gantry.toml declares is changed there. Each line is of one name, one day and one service tier, and takes the
place of the one that was there.
"""

from datetime import date

from gantry.console.price_item import BY_COMMAND, BY_FILE
from gantry.core.errors import Forbidden, NotFound
from gantry.prices.folder import PriceFolder
from gantry.prices.operator_rates import same_place
from gantry.prices.overrides import RateLine


def own_lines(folder: PriceFolder) -> list[tuple[RateLine, str]]:
    """Return what was set by a command or by API, and what gantry.toml declares, with who set it.

    Raises PricesDamaged.
    """
    return [*((line, BY_COMMAND) for line in folder.own()), *((line, BY_FILE) for line in folder.declared())]


def put_line(folder: PriceFolder, line: RateLine) -> None:
    """Let a line hold. Raises Forbidden, PricesDamaged."""
    if any(_covers(one, line) for one in folder.declared()):
        name = f"{line.provider}/{line.names[0]}"
        raise Forbidden(f"gantry.toml declares prices of {name} since {line.since}: change it there.")
    folder.put_own([*(one for one in folder.own() if not same_place(one, line)), line])


def take_back(folder: PriceFolder, provider_id: str, model: str, since: date | None) -> int:
    """Take back prices of a model, all or those since a day; return how many. Raises NotFound, PricesDamaged."""
    own = folder.own()
    kept = [
        line
        for line in own
        if (line.provider, line.names) != (provider_id, (model,)) or (since is not None and line.since != since)
    ]
    if len(kept) == len(own):
        raise NotFound(f"No prices of {provider_id}/{model} were set here; see `gantry prices own`.")
    folder.put_own(kept)
    return len(own) - len(kept)


def _covers(declared: RateLine, line: RateLine) -> bool:
    same = (declared.provider, declared.since, declared.service_tier) == (line.provider, line.since, line.service_tier)
    return same and not {*declared.names}.isdisjoint(line.names)
