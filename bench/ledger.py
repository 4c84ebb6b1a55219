"""What stands in the store of logs, read while it comes: retention may delete a row later, and it still was there.

Law: rows are read in the order in which they were stored, each once; what a row says of its call is kept and the row is
not.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

_UNSENT: Final = ("cancelled", "client_gone", "timeout")  # how an attempt ends that may not have left yet
_ROWS: Final = "SELECT seq, outcome, metadata, attempts FROM request_logs WHERE seq > ? ORDER BY seq"


class Ledger:
    """The rows of a store so far."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._last = 0
        self._made: list[tuple[str, int, int]] = []  # of each row: its call, attempts, and those maybe never sent
        self.attempts = 0
        self.hedges = 0
        self.outcomes: Counter[str] = Counter()
        self._stories: dict[str, str] = {}

    @property
    def rows(self) -> int:
        return len(self._made)

    @property
    def calls(self) -> int:
        """How many different calls the rows are of."""
        return len({call for call, *_ in self._made})

    def follow(self) -> None:
        """Read the rows that were stored since."""
        with closing(sqlite3.connect(self._store)) as store:
            for seq, outcome, metadata, tried in store.execute(_ROWS, (self._last,)):
                self._last = seq
                made: list[dict[str, Any]] = json.loads(tried or "[]")
                call = json.loads(metadata or "{}").get("call", "")
                unsent = sum("status" not in one and one["outcome"] in _UNSENT for one in made)
                self._made.append((call, len(made), unsent))
                self.outcomes[outcome] += 1
                self.attempts += len(made)
                self.hedges += sum(one.get("step") == "hedge" for one in made)
                if len(made) > 1 or outcome != "success":
                    self._stories[call] = _tell(made)

    def compare(self, seen: Mapping[str, int]) -> tuple[int, int]:
        """Return how many requests no attempt stands for, and how many attempts the provider did not see.

        An attempt that was cut off may not have been sent.
        """
        unrecorded = unseen = 0
        rest = dict(seen)
        for call, made, unsent in self._made:
            came = rest.pop(call, 0)
            unrecorded += max(came - made, 0)
            unseen += max(made - came - unsent, 0)
        return unrecorded + sum(rest.values()), unseen

    def stories(self, calls: Sequence[str]) -> list[str]:
        """Return what became of the attempts of these calls, in words."""
        return [self._stories[call] for call in calls if call in self._stories]

    def stored(self) -> "Stored":
        """Return what the store holds now."""
        with closing(sqlite3.connect(self._store)) as store:
            left, last = store.execute("SELECT count(*), coalesce(max(seq), 0) FROM request_logs").fetchone()
            (summed,) = store.execute("SELECT coalesce(sum(requests), 0) FROM day_sums").fetchone()
            return Stored(left, last - left, summed)

    def begun_between(self, since: int, until: int) -> int:
        """Return how many stored calls began in a span of time; nanoseconds since the epoch."""
        with closing(sqlite3.connect(self._store)) as store:
            query = "SELECT count(*) FROM request_logs WHERE started_at >= ? AND started_at < ?"
            found: int = store.execute(query, (since, until)).fetchone()[0]
            return found


class Stored(Struct, frozen=True):
    """Rows that are there, and calls that the sums by day count."""

    rows: int
    deleted: int  # rows count from 1 on, without a gap
    summed: int


def _tell(made: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(
        f"{one.get('step')} at {one['credential_name']} ({one.get('condition')}): {one.get('status', one['outcome'])}"
        for one in made
    )
