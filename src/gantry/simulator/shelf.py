"""The memory of one kind of resource: records by id, oldest dropped first."""

from typing import Generic, TypeVar

from gantry.simulator.oracle import digest

_Record = TypeVar("_Record")
_CAPACITY = 1000


class Shelf(Generic[_Record]):
    """Ids are made from the kind, the owner and a count: a fresh simulator gives the same ids again, and no two
    accounts have one in common."""

    def __init__(self, kind: str, owner: str, prefix: str = "", *, dashes: bool = False) -> None:
        self._kind, self._owner, self._prefix, self._dashes = kind, owner, prefix, dashes
        self._records: dict[str, _Record] = {}
        self._made = 0

    def new_id(self) -> str:
        self._made += 1
        name = digest(self._kind, self._owner, str(self._made))
        if self._dashes:
            name = f"{name[:8]}-{name[8:12]}-4{name[13:16]}-8{name[17:20]}-{name[20:]}"
        return self._prefix + name

    def put(self, name: str, record: _Record) -> None:
        self._records[name] = record
        if len(self._records) > _CAPACITY:
            del self._records[next(iter(self._records))]

    def get(self, name: str) -> _Record | None:
        return self._records.get(name)

    def take(self, name: str) -> _Record | None:
        """Return a record and forget it."""
        return self._records.pop(name, None)

    def all(self) -> list[_Record]:
        return list(self._records.values())
