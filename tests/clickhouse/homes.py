"""Logs of all homes in ClickHouse: a database of its own for each home, beside its files or its database in PostgreSQL.

With `GANTRY_TEST_LOGS=clickhouse` in the environment a log store has its logs there: what is opened in the tests' own
process by a path, and what `gantry serve` and the commands open by GANTRY_LOGS_URL.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import make_url

from gantry.store.clickhouse.client import Client
from gantry.store.clickhouse.compiler import Asked
from gantry.store.database import Address, Apart
from gantry.store.logs import LogStore

VARIABLE = "GANTRY_TEST_LOGS"
ARE_CHOSEN = os.environ.get(VARIABLE) == "clickhouse"
# In the environment of this process and its children: where the server of the run is. No name of a setting: those are
# taken out by many tests.
_SERVER = "LOGS_ON_CLICKHOUSE"

needs_logs_in_sql = pytest.mark.skipif(ARE_CHOSEN, reason="it is about logs in the SQL store: its tables or statements")


@contextmanager
def logs_on(server: str) -> Iterator[None]:
    """Keep the logs of all homes in databases of a server for the life of the block."""
    outer = os.environ.get(_SERVER)
    os.environ[_SERVER] = server
    with pytest.MonkeyPatch.context() as patched:
        plain = LogStore.__init__

        def open_apart(store: LogStore, address: Address, **options: Any) -> None:
            plain(store, address_of(address), **options)

        patched.setattr(LogStore, "__init__", open_apart)
        try:
            yield
        finally:
            del os.environ[_SERVER]
            if outer is not None:
                os.environ[_SERVER] = outer


@contextmanager
def clients_of_a_test() -> Iterator[None]:
    """Close at the end of the block the connections to ClickHouse that it left open, as the end of a process does."""
    clients: list[Client] = []
    with pytest.MonkeyPatch.context() as patched:
        plain = Client.__init__

        def keep(client: Client, url: str) -> None:
            plain(client, url)
            clients.append(client)

        patched.setattr(Client, "__init__", keep)
        yield
        for client in clients:
            client.close()


@contextmanager
def logs_where_homes_say() -> Iterator[None]:
    """Let the nodes of the block keep their logs where their own settings say."""
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv(_SERVER, raising=False)
        yield


def are_logs_apart() -> bool:
    """Say whether logs are kept in ClickHouse now."""
    return _SERVER in os.environ


def address_of(address: Address) -> Address:
    """Return where a log store is of which a home's file, or its database, is named."""
    if not are_logs_apart():
        return address
    if isinstance(address, Path):
        return Apart(address, logs_of(address.parent)) if address.name == "logs.db" else address
    if isinstance(address, str) and (name := str(make_url(address).database)).startswith("home_"):
        return Apart(address, _made(os.environ[_SERVER], name))
    return address


def name_of(home: Path) -> str:
    """Return the name of a home's databases."""
    return f"home_{hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:20]}"


def logs_of(home: Path) -> str:
    """Return the address of a home's logs."""
    return _made(os.environ[_SERVER], name_of(home))


@contextmanager
def logs_of_the_run() -> Iterator[None]:
    """Keep logs where the tests that started this process keep theirs."""
    with logs_on(os.environ[_SERVER]) if are_logs_apart() else nullcontext():
        yield


def settings_of_logs(home: Path) -> dict[str, str]:
    """Return what a process that is to open a home's logs has in its environment."""
    return {"GANTRY_LOGS_URL": logs_of(home)} if are_logs_apart() else {}


def asks_for_logs(statement: str) -> bool:
    """Say whether a statement in SQL is to be asked in ClickHouse."""
    return are_logs_apart() and "FROM request_logs" in statement


def ask_for_logs(home: Path, statement: str) -> list[tuple[Any, ...]]:
    """Ask a home's logs."""
    with closing(Client(logs_of(home))) as client:
        return [tuple(row) for row in client.select(Asked(statement, {}, ()))]


@cache  # a server that a test has stopped answers nobody
def _made(server: str, name: str) -> str:
    urlopen(Request(server, f"CREATE DATABASE IF NOT EXISTS {name}".encode())).close()
    return f"{server}/{name}"
