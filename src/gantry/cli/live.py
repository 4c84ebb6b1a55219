"""When is a change live? It is made live, waited for, and said plainly.

A running clerk publishes by itself, and so does one that a running supervisor is about to start, which alone applies
what gantry.toml declares. Without one, whoever changed the store holds its lock for a moment and publishes.
Live means that every worker of this machine has acknowledged the version on the board.
"""

import os
import time
from collections.abc import Callable

import click

from gantry.board.board import Board, Word
from gantry.board.live import behind, is_clerk_due, routing_workers
from gantry.clerk.granted import GrantedCredits
from gantry.clerk.publish import Publisher
from gantry.cli.opened import OpenHome, store_address
from gantry.home import Home, HomeError

TIMEOUT = 3.0  # seconds
_POLL = 0.01


def make_live(opened: OpenHome, version: int) -> None:
    """Bring a configuration version to the workers, and say on stderr how far it got."""
    await_clerk(opened.home, TIMEOUT)
    try:
        lock = opened.home.lock("clerk")
    except HomeError:
        pass  # a clerk runs, and publishes
    else:
        granted = GrantedCredits(store_address(opened.settings, opened.home.logs_db))
        try:
            published = Publisher(opened.home, opened.keyring, opened.control, os.environ, granted=granted).publish()
        finally:
            granted.close()
            lock.release()
        version = published.version
        for problem in published.problems:
            click.echo(f"warning: {problem}", err=True)
    click.echo(wait_until_live(opened.home, version, TIMEOUT), err=True)


def await_clerk(
    home: Home,
    timeout: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait for a clerk where a supervisor starts one: a key that is live before the limits declared for it has none."""
    if not home.board.exists():
        return
    board = Board(home.board)
    deadline = clock() + timeout
    while is_clerk_due(board) and clock() < deadline:
        sleep(_POLL)


def is_running(home: Home) -> bool:
    """Say whether a gateway takes calls here."""
    return home.board.exists() and bool(routing_workers(Board(home.board)))


def wait_until_live(
    home: Home,
    version: int,
    timeout: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Wait until every live worker routes by a version, and return what there is to say then."""
    if not home.board.exists():
        return "No gateway is running here: it is live when `gantry serve` starts."
    board = Board(home.board)
    deadline = clock() + timeout
    while True:
        workers = routing_workers(board)
        if not workers:
            return "No gateway is running here: it is live when `gantry serve` starts."
        late = behind(workers, version)
        if not late:
            return f"Live: {len(workers)} of {len(workers)} workers route by version {version}."
        if clock() >= deadline:
            pids = ", ".join(str(slot[Word.PID]) for slot in late)
            return (
                f"NOT live yet: after {timeout:g} s, {len(late)} of {len(workers)} workers do not route by version "
                f"{version} (pid {pids}). It is stored and goes live when the clerk can publish; see `gantry status`."
            )
        sleep(_POLL)
