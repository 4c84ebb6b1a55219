"""What a case must come to: a table's row, the checks that rows are made of, and the tests that follow from a table.

Law: what a client cannot do is skipped with the reason, what the gateway gets wrong is a strict xfail that names the
defect; nothing is left out silently.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import pytest

from tests.sdk.environments import Client
from tests.sdk.roads import Outcome, Road

Check = Callable[[Client, Outcome], bool]
ROADS = (Road.DIRECT, Road.GATEWAY)
GATEWAY = (Road.GATEWAY,)
DIRECT = (Road.DIRECT,)


class Row(NamedTuple):
    """A case, what it must come to, on which roads and for which clients: all of a table, if none are named."""

    case: str
    check: Check
    roads: tuple[Road, ...] = ROADS
    clients: tuple[Client, ...] = ()


class Table(NamedTuple):
    """The rows for a family of clients. `lacks` and `defects` say why a case is skipped, or fails as it must not."""

    rows: tuple[Row, ...]
    lacks: Mapping[tuple[Client, str], str]
    defects: Mapping[tuple[Client, Road, str], str]

    def tests(self, clients: Iterable[Client]) -> list[Any]:
        """Return a parameter set for each client, road and case."""
        return [
            pytest.param(client, road, row.case, row.check, id=f"{client}-{road}-{row.case}", marks=marks)
            for client in clients
            for row in self.rows
            if not row.clients or client in row.clients
            for road in row.roads
            for marks in [self._marks(client, road, row.case)]
        ]

    def _marks(self, client: Client, road: Road, case: str) -> list[pytest.MarkDecorator]:
        marks = []
        if (client, case) in self.lacks:
            marks.append(pytest.mark.skip(reason=self.lacks[client, case]))
        if (client, road, case) in self.defects:
            marks.append(pytest.mark.xfail(strict=True, reason=self.defects[client, road, case]))
        return marks

    def cases(self, client: Client, road: Road) -> tuple[str, ...]:
        """Return the cases that a client can be driven through on a road."""
        rows = (row for row in self.rows if road in row.roads and (not row.clients or client in row.clients))
        return tuple(dict.fromkeys(row.case for row in rows if (client, row.case) not in self.lacks))


def gives(expected: Callable[[Any], object]) -> Check:
    """Check what a case returns."""
    return lambda _, outcome: "result" in outcome and bool(expected(outcome["result"]))


def equals(expected: Any) -> Check:
    return gives(lambda result: result == expected)


def holds(**expected: Any) -> Check:
    """Check that a case returns an object with these members among others."""
    return gives(lambda result: {**result, **expected} == result)


def raises(python: str, node: str | None = None, says: str = "", **fields: Any) -> Check:
    """Check the class that a client raises, or one of its bases, what the error says, and the fields it has."""

    def check(client: Client, outcome: Outcome) -> bool:
        kind = (node or python) if client.on_node else python
        return (
            kind in outcome.get("error", ())
            and says in outcome["message"] + str(outcome.get("body"))
            and {**outcome, **fields} == outcome
        )

    return check


def either(*checks: Check) -> Check:
    return lambda client, outcome: any(check(client, outcome) for check in checks)
