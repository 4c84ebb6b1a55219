"""ClickHouse for tests: chDB behind HTTP (`tests.clickhouse.shim`), or the server that GANTRY_TEST_CLICKHOUSE names."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

VARIABLE = "GANTRY_TEST_CLICKHOUSE"
_ROOT = Path(__file__).resolve().parents[2]
_numbers = itertools.count()


def reason_to_skip() -> str | None:
    """Say why there is no ClickHouse here."""
    if find_spec("clickhouse_connect") is None:
        return "needs clickhouse-connect (the extra `clickhouse`)"
    if VARIABLE not in os.environ and find_spec("chdb") is None:
        return f"needs chDB, or a server that {VARIABLE} names"
    return None


class Shim:
    """chDB behind HTTP, in a process that may be stopped and started again on the same folder and port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = ""
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.clickhouse.shim", str(self._folder), *filter(None, [self._port])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT)
        assert self._process.stdout is not None
        self._port = self._process.stdout.readline().strip()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def running_clickhouse(folder: Path) -> Iterator[str]:
    """Say the address of a server that is there for the life of the block, or skip."""
    if (reason := reason_to_skip()) is not None:
        pytest.skip(reason)
    if (given := os.environ.get(VARIABLE)) is not None:
        yield given.rstrip("/")
        return
    shim = Shim(folder)
    try:
        yield shim.url
    finally:
        shim.stop()


def new_logs_url(server: str) -> str:
    """Create an empty database and return its URL."""
    name = f"gantry_{os.getpid()}_{next(_numbers)}"
    urlopen(Request(server, f"CREATE DATABASE {name}".encode())).close()
    return f"{server}/{name}"
