"""What an operator does while calls are made: rules, weights, keys, exports and retention, in turn.

Law: each job says itself whether what it did holds: an exported file has the logs that were asked for, a rotated key
works for its grace and not longer, what retention says is over is gone.
"""

import datetime
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from bench.children import ChildError
from bench.gantry import run_gantry
from bench.ledger import Ledger
from bench.riders import End, Tally, Trip, together
from bench.stand import Stand
from bench.workshop import Workshop
from gantry.clerk.retain import Retaining
from gantry.core.retention import FOR_EVER
from gantry.home import Home
from gantry.store.control import ControlStore
from gantry.store.log_deletion import oldest_log, stored_bytes
from gantry.store.logs import LogStore
from gantry.store.retention import retention_by_organization

JOBS: Final = ("rules", "weight", "rotation", "export", "retention")
GUEST: Final = "cerebras"  # the provider of the key that is rotated; it does not fail, so each failure is ours
_GUEST_MODEL: Final = "cerebras/llama-3.3-70b"
_GUEST_FIRST: Final = 60_000_000  # number of the first call
_GUEST_ROOM: Final = 10_000  # numbers of a trip
_GRACE: Final = 10.0
_BEFORE, _AFTER = 6.0, 2.0  # seconds of calls with the old key, across its rotation, and with the new one
_LEAST_BYTES: Final = 1_000_000  # that retention takes
_DOWNLOAD: Final = 300.0


class Deed(Struct, frozen=True):
    """A job that was done; `problem` is empty where all of it held."""

    at: float  # seconds since the beginning
    job: str
    took: float
    told: str
    problem: str = ""


class _Item(Struct):
    id: str


class Household:
    """The jobs, in a thread of its own. Nobody else may start processes of the workshop meanwhile."""

    def __init__(
        self, shop: Workshop, stand: Stand, rules: Sequence[Mapping[str, Any]], *, pause: float, keep: float
    ) -> None:
        """`rules` take turns; between jobs it rests for `pause` seconds; logs of `keep` seconds are kept."""
        self._shop, self._stand, self._rules, self._pause, self._keep = shop, stand, rules, pause, keep
        self._ledger = Ledger(stand.gantry.home / "logs.db")
        self._reader = self._gantry("keys", "create", "reader", "--scope", "read").split()[-1]
        self._guest = self._gantry("keys", "create", "guest").split()[-1]
        self._dead: tuple[str, float] | None = None  # a key, and when its grace is over
        self._guests = shop.helper("riders")
        self._tallies: list[Tally] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_house, name="household", daemon=True)
        self.deeds: list[Deed] = []
        self._started = 0.0

    def begin(self, started: float) -> None:
        self._started = started
        self._thread.start()

    def end(self) -> Tally:
        """Finish the job that is being done, and return what became of the guests' calls."""
        self._over.set()
        self._thread.join()
        self._shop.children.stop(self._guests)
        return together(self._tallies)

    def _keep_house(self) -> None:
        jobs: dict[str, Callable[[int], tuple[str, str]]] = {
            "rules": self._rule,
            "weight": self._weigh,
            "rotation": self._rotate,
            "export": self._export,
            "retention": self._retain,
        }
        turn = 0
        while not self._over.wait(self._pause):
            name, began = JOBS[turn % len(JOBS)], time.monotonic()
            try:
                told, problem = jobs[name](turn // len(JOBS))
            except (ChildError, OSError, msgspec.DecodeError) as error:
                told, problem = "", f"{type(error).__name__}: {error}"
            self.deeds.append(Deed(began - self._started, name, time.monotonic() - began, told, problem))
            turn += 1

    def _rule(self, turn: int) -> tuple[str, str]:
        self._stand.rule(self._rules[(turn + 1) % len(self._rules)])
        return "rules set", ""

    def _weigh(self, turn: int) -> tuple[str, str]:
        weight = "4" if turn % 2 == 0 else "5"
        self._gantry("providers", "set", "a", "--weight", weight)
        return f"weight {weight}", ""

    def _rotate(self, turn: int) -> tuple[str, str]:
        problem = ""
        if self._dead is not None:
            dead, over = self._dead
            time.sleep(max(over - time.monotonic(), 0))
            if (status := self._status_of(dead)) != 401:
                problem = f"a key whose grace is over is answered with {status}"
        first = _GUEST_FIRST + turn * 2 * _GUEST_ROOM
        old = self._guest
        self._guests.write_line(msgspec.json.encode(self._trip(old, _BEFORE, first)))
        self._guest = self._gantry("keys", "rotate", "guest", "--grace", f"{_GRACE:.0f}s").split()[-1]
        self._dead = old, time.monotonic() + _GRACE + 1
        before = self._tally()
        self._guests.write_line(msgspec.json.encode(self._trip(self._guest, _AFTER, first + _GUEST_ROOM)))
        after = self._tally()
        for tally in (before, after):
            if tally.ends.get(End.ANSWERED, 0) != tally.calls or not tally.calls:
                problem = problem or f"not all of {tally.calls} calls were answered: {tally.first_failure}"
        return f"{before.calls} calls across, {after.calls} after", problem

    def _export(self, turn: int) -> tuple[str, str]:
        now = int(time.time())
        since, until = now - int(self._keep * 0.75), now - int(self._keep * 0.25)
        least = self._ledger.begun_between(since * 10**9, until * 10**9)
        ids: set[str] = set()
        lines = 0
        times = f"start_time={_written(since)}&end_time={_written(until)}"
        request = self._request(f"/api/request-logs/export/?format=jsonl&{times}", self._reader)
        with urllib.request.urlopen(request, timeout=_DOWNLOAD) as answer:
            for line in answer:
                lines += 1
                ids.add(msgspec.json.decode(line, type=_Item).id)
        most = self._ledger.begun_between(since * 10**9, until * 10**9)
        problem = "" if least <= lines <= most else f"{lines} lines where {least} to {most} logs are stored"
        if len(ids) != lines:
            problem = f"{lines} lines are of {len(ids)} logs"
        return f"{lines} logs", problem

    def _retain(self, turn: int) -> tuple[str, str]:
        """Say how much is kept, and sweep as the clerk of another machine does; ours looks at full hours only."""
        home = Home(self._stand.gantry.home)
        logs, control = LogStore(home.logs_db), ControlStore(home.control_db)
        try:
            with control.reading() as reading:
                (organization,) = retention_by_organization(reading, FOR_EVER)
            with logs.reading() as reading:
                size, oldest = stored_bytes(reading, organization), oldest_log(reading, organization)
            age = time.time() - (oldest or time.time_ns()) / 1e9
            most = max(int(size * self._keep / max(age, self._keep)), _LEAST_BYTES)
            self._gantry("retention", "set", "--max-bytes", str(most))
            before = self._ledger.stored().deleted
            sweeping = Retaining(home.logs_db, home.control_db, FOR_EVER)
            while sweeping.step():
                pass
            deleted = self._ledger.stored().deleted - before
        finally:
            logs.close()
            control.close()
        problem = "" if deleted or size <= most else f"{size} bytes were stored, {most} are kept, and nothing went"
        return f"{deleted} logs deleted", problem

    def _trip(self, key: str, seconds: float, first: int) -> Trip:
        return Trip(port=self._stand.port, key=key, model=_GUEST_MODEL, lanes=2, seconds=seconds, first=first)

    def _tally(self) -> Tally:
        tally = msgspec.json.decode(self._guests.read_line(120), type=Tally)
        self._tallies.append(tally)
        return tally

    def _status_of(self, key: str) -> int:
        try:
            with urllib.request.urlopen(self._request("/api/v1/models", key), timeout=30) as answer:
                status: int = answer.status
                return status
        except urllib.error.HTTPError as error:
            return error.code

    def _request(self, path: str, key: str) -> urllib.request.Request:
        return urllib.request.Request(
            f"http://127.0.0.1:{self._stand.port}{path}", headers={"authorization": f"Bearer {key}"}
        )

    def _gantry(self, *arguments: str) -> str:
        return run_gantry(self._shop, self._stand.gantry.home, self._stand.gantry.environment, *arguments)


def _written(second: int) -> str:
    return datetime.datetime.fromtimestamp(second, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
