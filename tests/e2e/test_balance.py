"""Two thousand calls through two workers, to three credentials of which one dies and returns: no caller hears of it,
and what one worker learns, the other acts on."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.faulty import Behaviour, Fate
from bench.riders import End, Tally, Trip
from gantry.board.board import Board, Word
from tests.e2e.node import Node, await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


class Helper:
    """A process of the harness that takes lines and answers with lines."""

    def __init__(self, name: str) -> None:
        argv = [sys.executable, "-m", f"bench.{name}"]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def say(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def helpers() -> Iterator[tuple[Helper, Helper]]:
    started = [Helper("faulty"), Helper("riders")]
    try:
        yield started[0], started[1]
    finally:
        for helper in started:
            helper.end()


class Stage:
    """The node, the provider with its three deployments, and the clients."""

    def __init__(self, node: Node, faulty: Helper, riders: Helper) -> None:
        self._node = node
        self._riders = riders
        self._calls = 0
        self._url = faulty.hear().split()[-1]
        for name, weight in (("a", "5"), ("b", "3"), ("c", "1")):
            options = ("--name", name, "--weight", weight, "--base-url", f"{self._url}/{name}")
            node.gantry("providers", "add", "mistral", "--api-key", "k", *options)
        node.gantry("providers", "remove", "mistral/default")

    def behave(self, name: str, *fates: Fate) -> None:
        told = msgspec.json.encode({name: Behaviour(dict.fromkeys(fates, 1.0), first_token=0.01)})
        urllib.request.urlopen(urllib.request.Request(f"{self._url}/_behave", told, method="PUT"), timeout=10).close()

    def asked(self) -> dict[str, int]:
        """Return how many requests came to each deployment so far."""
        with urllib.request.urlopen(f"{self._url}/_counts", timeout=10) as answer:
            fates: dict[str, int] = msgspec.json.decode(answer.read(), type=dict[str, Any])["fates"]
        return {name: sum(count for fate, count in fates.items() if fate.startswith(f"{name} ")) for name in "abc"}

    def call(self, calls: int, lanes: int) -> dict[str, int]:
        """Make calls, none of which may fail; return how many requests each deployment got."""
        before = self.asked()
        trip = Trip(port=self._node.port, key=self._node.key, calls=calls, lanes=lanes, first=self._calls)
        self._riders.say(msgspec.json.encode(trip))
        tally = msgspec.json.decode(self._riders.hear(), type=Tally)
        assert tally.ends == {End.ANSWERED: calls}, tally.first_failure
        self._calls += calls
        return {name: count - before[name] for name, count in self.asked().items()}


def await_a_tick(node: Node) -> None:
    """Wait until each worker has looked whether another met with trouble, which it does at each tick."""
    board, now = Board(node.folder / "board"), time.time_ns()
    await_true(lambda: all(slot[Word.HEARTBEAT] > now for slot in board.workers()), "a tick of each worker")


def test_a_credential_dies_and_returns_and_no_caller_hears_of_it(tmp_path: Path) -> None:
    with running_node(tmp_path) as node, helpers() as (faulty, riders):
        stage = Stage(node, faulty, riders)
        for name in "abc":
            stage.behave(name)
        well = stage.call(600, 20)
        assert [well[name] / 600 for name in "abc"] == pytest.approx([5 / 9, 3 / 9, 1 / 9], abs=0.07)

        stage.behave("b", Fate.DEAD)
        first = stage.call(200, 20)
        assert 1 <= first["b"] <= 20, "those that were under way, and those of a worker that had not heard of it"
        await_a_tick(node)
        later = stage.call(800, 20)
        assert later["b"] == 0, "either worker leaves it alone"
        assert later["a"] / later["c"] == pytest.approx(5, abs=2)

        stage.behave("c", Fate.LIMITED)
        assert 1 <= stage.call(200, 20)["c"] <= 20
        stage.behave("c")
        since = time.monotonic()
        await_true(lambda: stage.call(20, 4)["c"] > 0, "the one that was limited to be back")
        assert time.monotonic() - since < 10, "a limit's cooldowns are of seconds"
        back = stage.call(200, 20)
        assert back["c"] / 200 == pytest.approx(1 / 6, abs=0.1)
        assert all(worker["requests"] > 0 for worker in node.status()["workers"]), "both workers took their part"
