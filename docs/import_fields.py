"""The page that lists what each member of an imported file comes to: the tables of `gantry.imports`, written down."""

from gantry.imports.finding import TO_BE_READ, Fate, Field
from gantry.imports.sources import TABLES

_ORDER = (Fate.CARRIED, *reversed(TO_BE_READ), Fate.KEPT, Fate.NEEDLESS)


def import_fields_page(notice: str) -> str:
    sections = "\n".join(_section(title, dict(table)) for title, table in TABLES.items())
    return f"""{notice}# What an import carries over, member by member

How to import is in [import.md](import.md). What the value of a member tells beyond this is in the report of an import,
with the member's place and, of YAML, its line. A member that is not listed here is told as unknown: of a configuration
nothing is done with it, of a log it is kept in the log's `imported`.

{sections}"""


def _section(title: str, table: dict[str, Field]) -> str:
    groups: dict[tuple[Fate, str], list[str]] = {}
    for place, field in table.items():
        groups.setdefault((field.fate, field.words), []).append(place)
    rows = "\n".join(
        f"| {', '.join(f'`{place}`' for place in places)} | {fate} | {words.replace('|', chr(92) + '|')} |"
        for (fate, words), places in sorted(groups.items(), key=lambda group: _ORDER.index(group[0][0]))
    )
    return f"""## {title}

| member | | what it is here, or what to do instead |
|---|---|---|
{rows}
"""
