"""The prices of one machine, in `prices/` of its home: published data that was imported, and the operator's own rates.

Law: what was imported is kept as it came, and compiled as what comes with this version is, so an upgrade reads it anew.
Files are renamed into place, and `stamp` tells whether any has changed.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from gantry.prices.overrides import RateLine, table_of
from gantry.prices.table import PriceTable

OPERATOR: Final = "operator"
_KEPT_IMPORTS: Final = 5
_IMPORTS, _OWN, _DECLARED = "imports.json", "own.json", "declared.json"
_FILES: Final = (_IMPORTS, _OWN, _DECLARED)

_Item = TypeVar("_Item")
Stamp = tuple[tuple[int, int, int], ...]


class PricesDamaged(ValueError):
    """A file of the folder cannot be used; the message says which and why."""


class Import(Struct, frozen=True):
    """Published data that took the place of what came with this version, or of an earlier import."""

    digest: str
    version: str
    source: str  # the path or URL that it came from
    applied_at: int  # ns since the epoch

    @property
    def file(self) -> str:
        return f"{self.digest}.json"


class PriceFolder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> Stamp:
        """Return what changes with every change of the folder."""
        found = []
        for name in _FILES:
            try:
                stat = os.stat(self.path / name)
                found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
            except FileNotFoundError:
                found.append((0, 0, 0))
        return tuple(found)

    def imports(self) -> list[Import]:
        """Return what was imported, the one that holds last. Raises PricesDamaged."""
        return self._read(_IMPORTS, Import)

    def current(self) -> Import | None:
        """Return the data that holds; None where that is what came with this version. Raises PricesDamaged."""
        imports = self.imports()
        return imports[-1] if imports else None

    def data_of(self, one: Import) -> Path:
        return self.path / one.file

    def keep(self, data: bytes, version: str, source: str, at: int) -> Import:
        """Keep data beside what holds, and return what `apply` takes."""
        one = Import(digest_of(data), version, source, at)
        self._write(one.file, data)
        return one

    def apply(self, one: Import) -> None:
        """Let kept data hold. The oldest imports go."""
        self._write_imports([*self.imports(), one][-_KEPT_IMPORTS:])

    def roll_back(self) -> Import | None:
        """Let hold what held before, and return what does not hold any more; None where nothing was imported."""
        imports = self.imports()
        if not imports:
            return None
        self._write_imports(imports[:-1])
        return imports[-1]

    def own(self) -> list[RateLine]:
        """Return the operator's rates that a command set. Raises PricesDamaged."""
        return self._read(_OWN, RateLine)

    def declared(self) -> list[RateLine]:
        """Return the operator's rates that gantry.toml declares. Raises PricesDamaged."""
        return self._read(_DECLARED, RateLine)

    def put_own(self, lines: Sequence[RateLine]) -> None:
        self._write(_OWN, msgspec.json.encode(lines))

    def put_declared(self, lines: Sequence[RateLine]) -> None:
        """Keep what gantry.toml declares, if it is not that already."""
        encoded = msgspec.json.encode(lines)
        try:
            same = (self.path / _DECLARED).read_bytes() == encoded
        except OSError:
            same = not lines
        if not same:
            self._write(_DECLARED, encoded)

    def operator_table(self) -> PriceTable | None:
        """Return the operator's rates as a table; None where there are none. Raises PricesDamaged."""
        return operator_table([*self.own(), *self.declared()])

    def _write_imports(self, imports: Sequence[Import]) -> None:
        self._write(_IMPORTS, msgspec.json.encode(imports))
        held = {one.file for one in imports}
        for path in self.path.glob("*.json"):
            if path.name not in held and path.name not in _FILES:
                path.unlink(missing_ok=True)

    def _read(self, name: str, item: type[_Item]) -> list[_Item]:
        try:
            return msgspec.json.decode((self.path / name).read_bytes(), type=list[item])  # type: ignore[valid-type]
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as error:
            raise PricesDamaged(f"{self.path / name} cannot be used: {error}") from None

    def _write(self, name: str, data: bytes) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = self.path / f".{name}.{os.getpid()}"
        try:
            aside.write_bytes(data)
            aside.replace(self.path / name)
        finally:
            aside.unlink(missing_ok=True)


def operator_table(lines: Iterable[RateLine]) -> PriceTable | None:
    """Return the rates of an operator as a table whose version names what they are; None where there are none."""
    lines = list(lines)
    if not lines:
        return None
    return table_of(lines, OPERATOR, f"{OPERATOR} {digest_of(msgspec.json.encode(lines))[:8]}")


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
