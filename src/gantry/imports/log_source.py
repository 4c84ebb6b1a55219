"""A source of logs: what each column of its export is in a posted log, and what several of them tell together. Pure.

Law: an imported log is a posted log (law 9), read by the same codec, under the id that it had; a cost that was told is
told. What has no place of its own goes along in `imported`, but for secrets, which go nowhere.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from gantry.imports.amounts import moment_in, number_in
from gantry.imports.finding import Fate, Field, Finding

IMPORTED: Final = "imported"  # the member of a log that has what was kept and not read
_SOURCE: Final = "import_source"
_ID: Final = "import_id"
_LONGEST_ID: Final = 254  # of what a posted log is known by
UNKNOWN_COLUMN: Final = Field(Fate.UNKNOWN, "kept as it was, in the log's `imported`; nothing is read from it")


class RowRefused(ValueError):
    """A row that means no log; the message says why."""


class Column(Struct, frozen=True):
    """What a column comes to; `to` is the member of a posted log that takes it as it is."""

    field: Field
    to: str | None = None


class ImportedLog(Struct, frozen=True):
    """A row as a posted log. `key` is the name of the key that made the call, `environment` where it says one."""

    id: str
    body: dict[str, Any]
    key: str | None = None
    environment: str | None = None


Body = dict[str, Any]
Columns = Mapping[str, Column]


class Reading(Struct):
    """A row as it is read: the body that grows, and what is known beside it."""

    row: Mapping[str, Any]
    body: Body
    providers: Mapping[str, str]  # ids by whatever a provider is called
    key: str | None = None
    environment: str | None = None

    def put(self, name: str, value: Any) -> None:
        """Add a member that says something, where none of the name is there."""
        if value not in (None, "", {}, []):
            self.body.setdefault(name, value)

    def metadata(self) -> dict[str, Any]:
        """Return the log's metadata, to be added to."""
        found = json_in(self.body.get("metadata"))
        metadata = dict(found) if isinstance(found, dict) else {} if found is None else {"metadata": found}
        self.body["metadata"] = metadata
        return metadata


class LogSource(Struct, frozen=True, kw_only=True):
    name: str
    title: str
    columns: Columns
    id_columns: tuple[str, ...]
    finish: Callable[[Reading], None]
    canonical: Callable[[str], str] = str  # one name for the several spellings of a column

    def read(self, row: Mapping[str, Any], providers: Mapping[str, str]) -> ImportedLog:
        """Return a row as a log. Raises RowRefused."""
        named = {self.canonical(name): value for name, value in row.items()}
        external = next((str(named[name]) for name in self.id_columns if named.get(name) not in (None, "")), None)
        if external is None:
            raise RowRefused(f"it has no {' or '.join(self.id_columns)}")
        body: Body = {}
        rest: Body = {}
        for name, value in named.items():
            column = self.columns.get(name)
            if value in (None, "", {}, []):
                continue
            if column is None or column.field.fate is Fate.KEPT:
                rest[name] = value
            elif column.to is not None:
                body.setdefault(column.to, value)
        body["unique_id"] = external[:_LONGEST_ID]
        reading = Reading(row=named, body=body, providers=providers)
        self.finish(reading)
        metadata = reading.metadata()
        metadata.setdefault(_SOURCE, self.name)
        metadata.setdefault(_ID, external)
        if rest:
            body[IMPORTED] = rest
        return ImportedLog(external, body, reading.key, reading.environment)

    def field_of(self, column: str) -> Field:
        found = self.columns.get(self.canonical(column))
        return UNKNOWN_COLUMN if found is None else found.field

    def findings(self, counts: Mapping[str, int]) -> tuple[Finding, ...]:
        """Return a finding for each column, with how many rows it says something in."""
        return tuple(
            Finding(column, field.fate, field.words, count=count)
            for column, count in counts.items()
            for field in (self.field_of(column),)
        )


def to(member: str, words: str = "") -> Column:
    """Return a column that is a member of a log as it is."""
    return Column(Field(Fate.CARRIED, words or member), member)


def read_with(words: str, fate: Fate = Fate.CARRIED) -> Column:
    """Return a column that is read together with others."""
    return Column(Field(fate, words))


def columns_as(field: Field, names: str) -> Iterator[tuple[str, Column]]:
    """Yield the columns of some names, which come to the same."""
    for name in names.split():
        yield name, Column(field)


def json_in(value: Any) -> Any:
    """Return what a value is: a text that holds a JSON object or array is that."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return value
    return value


def object_in(value: Any) -> dict[str, Any]:
    found = json_in(value)
    return found if isinstance(found, dict) else {}


def is_true(value: Any) -> bool:
    return value is True or str(value).lower() in ("true", "t", "1", "1.0")


def seconds_between(start: Any, end: Any) -> float | None:
    """Return the seconds from one time to a later one; None where one is missing or is none."""
    first, last = moment_in(start), moment_in(end)
    return None if first is None or last is None else max((last - first).total_seconds(), 0.0)


def from_milliseconds(value: Any) -> float | None:
    number = number_in(value)
    return None if number is None or number < 0 else number / 1000
