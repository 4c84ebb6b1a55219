"""What the log API must say of a client's calls: a row for each operation, and what is found by it.

Prices are those published (reference: dollars per million tokens, per minute of audio, per thousand pages, per million
characters); a row multiplies them itself, so that a wrong price shows.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from tests.e2e.node import await_true, status_of
from tests.sdk.environments import Client

Log = Mapping[str, Any]


class Logged(NamedTuple):
    """An operation of which a log must be found by `where`, with these words, units and cost in dollars.

    A cost of None is one that nothing was asked for, "missing" a price that nobody knows.
    """

    name: str
    where: Mapping[str, Any]
    log_type: str
    units: Mapping[str, float] = {}
    cost: float | str | None = None
    says: tuple[str | None, str | None] = ("Hello, Mistral!", "You said: Hello, Mistral!")
    clients: tuple[Client, ...] = ()


def log_tests(
    clients: Iterable[Client], rows_for: Callable[[Client], list[Logged]], defects: Mapping[tuple[Client, str], str]
) -> list[Any]:
    """Return a parameter set for each client and row; what the log gets wrong is a strict xfail."""
    sets = []
    for client in clients:
        for row in rows_for(client):
            why = defects.get((client, row.name))
            marks = [pytest.mark.xfail(strict=True, reason=why)] if why else []
            sets.append(pytest.param(client, row, id=f"{client}-{row.name}", marks=marks))
    return sets


def find(logs: list[Log], where: Mapping[str, Any]) -> Log:
    """Return the oldest log with these fields; `path` is a pattern, and the order in a list does not matter."""
    for log in reversed(logs):
        if all(_is(name, log[name], value) for name, value in where.items()):
            return log
    raise AssertionError(f"no log with {where} among {len(logs)}")


def _is(name: str, found: Any, wanted: Any) -> bool:
    if name == "path":
        return re.search(wanted, found) is not None
    if isinstance(wanted, list):
        return sorted(found or ()) == sorted(wanted)
    return bool(found == wanted)


def check(log: Log, expected: Logged) -> None:
    """Assert what a log says of its call."""
    assert log["log_type"] == expected.log_type
    assert {**log["units"], **expected.units} == log["units"]
    if expected.cost == "missing":
        assert (log["cost"], log["price_missing"], log["price_source"]) == (None, True, None)
    elif expected.cost is None:
        assert (log["cost"], log["price_missing"]) == (None, False)
    else:
        assert log["cost"] == pytest.approx(expected.cost, rel=1e-6)
        assert sum(log["cost_by_unit"].values()) == pytest.approx(log["cost"], rel=1e-6)
        assert log["price_source"] in ("genai-prices", "override")
        assert log["price_missing"] is False
    for field, words in zip(("input", "output"), expected.says, strict=True):
        assert words is None or words in (log[field] or ""), (field, log[field])
    assert not log["warnings"], log["warnings"]


def read_logs(url: str, key: str) -> list[Log]:
    """Return all logs of a key, the newest first."""
    answer = requests.get(
        f"{url}/api/request-logs/list/",
        params={"page_size": "1000", "include_fields": "path,method,tier,price_source,full_request"},
        headers={"Authorization": f"Bearer {key}"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["next"] is None, "more logs than a page holds"
    logs: list[Log] = page["results"]
    return logs


def await_stored(home: tuple[str, str]) -> None:
    """Return when the clerk has stored every record that there is."""
    await_true(lambda: status_of(Path(home[1]))["clerk"]["lag"] == 0, "a clerk that catches up")
