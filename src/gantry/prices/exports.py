"""A provider's export of usage or cost, a CSV file, as amounts by day, model and key.

Law: formats are rows of `exports.toml`. What is not understood is said with its row and column, and no row is left
out; days are UTC.
"""

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gantry.core.money import NANO_PER_USD

_DOLLAR: Final = "usd"
_MANY: Final = frozenset(("input", "output", "cost"))
ROLES: Final = ("day", "model", "key", "input", "output", "cost")


class ExportUnreadable(ValueError):
    """The file is no export that is understood; the message says where and why."""


class Format(Struct, frozen=True, forbid_unknown_fields=True):
    """Which columns an export has. `assumed`: we found nobody who reads it."""

    provider: str
    name: str
    day: str = ""
    model: str = ""
    key: str = ""
    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    cost: tuple[str, ...] = ()
    currency: str = ""
    others: tuple[str, ...] = ()
    assumed: bool = False

    def columns(self) -> set[str]:
        return {self.day, self.model, self.key, self.currency, *self.input, *self.output, *self.cost, *self.others}

    def fits(self, head: Sequence[str]) -> bool:
        """Say whether a file with this head has what is compared: day, model, and all of one amount at least."""
        amounts = [names for names in (self.input, self.output, self.cost) if names]
        return {self.day, self.model} <= {*head} and any({*names} <= {*head} for names in amounts)


class Amounts(Struct, frozen=True):
    """What was used and paid; None where it is not told."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: int | None = None  # nano-dollars

    def plus(self, other: "Amounts") -> "Amounts":
        return Amounts(
            _plus(self.input_tokens, other.input_tokens),
            _plus(self.output_tokens, other.output_tokens),
            _plus(self.cost, other.cost),
        )


class Line(Struct, frozen=True):
    day: date
    model: str  # "" where it is not told, as `key`
    key: str
    amounts: Amounts


class Export(Struct, frozen=True):
    format: Format
    lines: list[Line]
    unknown: list[str]  # columns


def load_formats() -> list[Format]:
    """Return the formats that this version knows."""
    text = (Path(__file__).parent / "exports.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text)["export"], list[Format])


def read_export(text: str, provider: str | None = None, columns: Mapping[str, str] | None = None) -> Export:
    """Return what a file says. Raises ExportUnreadable.

    `columns` name columns by what they mean, of `ROLES`, where the format has them under other names.
    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        head = [name.strip() for name in next(rows, [])]
        export_format = _format_of(head, provider, columns or {})
        lines = list(_lines(rows, head, export_format))
    except csv.Error as error:
        raise ExportUnreadable(f"line {rows.line_num}: {error}") from error
    known = export_format.columns()
    return Export(export_format, lines, [name for name in head if name not in known])


def _format_of(head: Sequence[str], provider: str | None, columns: Mapping[str, str]) -> Format:
    """Return the format that knows most of the columns."""
    formats = [one for one in load_formats() if provider in (None, one.provider)]
    if not formats:
        formats = [Format(provider or "", "export", assumed=True)]
    own = {role: (name,) if role in _MANY else name for role, name in columns.items()}
    found = [one for one in (replace(one, **own) for one in formats) if one.fits(head)]
    if not found:
        raise ExportUnreadable(
            f"no format is known with the columns {', '.join(head) or '(none)'}; name those of "
            f"{', '.join(ROLES)} with --column, as in --column day=Date"
        )
    return max(found, key=lambda one: len(one.columns() & {*head}))


def _lines(rows: Iterator[list[str]], head: Sequence[str], form: Format) -> Iterator[Line]:
    for number, row in enumerate(rows, 2):
        if not any(row):
            continue
        if len(row) != len(head):
            raise ExportUnreadable(f"row {number} has {len(row)} cells and the head {len(head)}")
        cells = dict(zip(head, (cell.strip() for cell in row), strict=True))
        currency = cells.get(form.currency, "")
        if currency and currency.lower() != _DOLLAR:
            raise ExportUnreadable(f"row {number}: amounts are in {currency}, and the books are in USD")
        yield Line(
            _day_in(cells[form.day], number, form.day),
            cells[form.model].partition(", ")[0],  # a line item is a model and a unit
            cells.get(form.key, ""),
            Amounts(
                _count_in(cells, form.input, number),
                _count_in(cells, form.output, number),
                _cost_in(cells, form.cost, number),
            ),
        )


def _day_in(text: str, number: int, column: str) -> date:
    try:
        if text.isdecimal():
            return datetime.fromtimestamp(int(text), UTC).date()
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise ExportUnreadable(f"row {number}: {column} is no day: {text!r}") from None
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date()


def _count_in(cells: Mapping[str, str], columns: Sequence[str], number: int) -> int | None:
    total = _sum_in(cells, columns, number)
    return None if total is None else int(total)


def _cost_in(cells: Mapping[str, str], columns: Sequence[str], number: int) -> int | None:
    total = _sum_in(cells, columns, number)
    return None if total is None else round(total * NANO_PER_USD)


def _sum_in(cells: Mapping[str, str], columns: Sequence[str], number: int) -> Decimal | None:
    """Return the sum of some columns, an empty cell being 0; None where the file has none of them."""
    present = [name for name in columns if name in cells]
    total = Decimal(0)
    for name in present:
        try:
            amount = Decimal(cells[name].replace(",", "").removeprefix("$") or 0)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite():
            raise ExportUnreadable(f"row {number}: {name} is no number: {cells[name]!r}")
        total += amount
    return total if present else None


def _plus(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else one + other
