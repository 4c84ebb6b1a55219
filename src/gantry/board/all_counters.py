"""The counters that calls spend from, wherever they are: in this machine's file, or on a server that several share.

Law: a machine that shares its counters looks nowhere else for what was counted. What customers may spend stays in each
machine's own file, so that no call waits for it. Only who has such a server needs its client.
"""

import importlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct

from gantry.board.counters import Counters
from gantry.board.rows import RowsUnreadable
from gantry.core.limits import Counted, CounterTerms, CustomerTerms
from gantry.core.secret import Secret

PATIENCE: Final = 1.0  # seconds that people wait for a server
_REST: Final = 2.0  # seconds
PART_BITS: Final = 12  # of a place within what one note has
_LEDGER: Final = "gantry.board.shared_ledger"

Moved = tuple[Counted, int]
T = TypeVar("T")


class SharedSilent(Exception):
    """The server of the shared counters does not answer; the message says how."""


class SharedLost(Exception):
    """The server has lost its counters, or is being filled: what was asked is for others than those it has now."""


class Standing(Struct, frozen=True):
    """How the server stands with one clerk."""

    made: int  # when its counters were made, by its clock, in microseconds: their name
    is_filled: bool
    place: int  # how far the clerk's notes are added
    summed: int  # the last of its notes whose rows were in the sums that the counters were filled from

    @property
    def first(self) -> int:
        """The number of the first note that is not added whole."""
        return (self.place + 1) >> PART_BITS


class Ledger(Protocol):
    """The counters on a server, as they are asked where one can wait. Everything raises SharedSilent."""

    @property
    def is_new(self) -> bool: ...
    def close(self) -> None: ...
    def stand(self, clerk: str) -> Standing: ...
    def begin_fill(self, clerk: str) -> int | None: ...
    def fill(self, clerk: str, made: int, amounts: Iterable[tuple[CounterTerms, int]], now: int) -> int: ...
    def end_fill(self, clerk: str, made: int, summed: Mapping[str, int]) -> None: ...
    def apply(self, clerk: str, standing: Standing, number: int, moved: Sequence[Moved]) -> None: ...
    def correct(self, counted: Counted, amount: int, now: int) -> bool: ...
    def read(self, terms: CounterTerms, now: int) -> int: ...
    def reset(self, keys: Iterable[bytes]) -> int: ...


class AllCounters(Protocol):
    """What people ask of counters."""

    @property
    def is_new(self) -> bool: ...
    def close(self) -> None: ...
    def correct(self, counted: Counted, amount: int, now: int) -> bool: ...
    def read(self, term: CounterTerms, now: int, /) -> int: ...
    def reset(self, keys: Iterable[bytes], /) -> int: ...
    def customer(self, key: bytes) -> CustomerTerms | None: ...
    def put_customer(self, key: bytes, terms: CustomerTerms, *, only_unmanaged: bool = False) -> bool: ...
    def forget_customer(self, key: bytes) -> bool: ...


class SharedOverLocal:
    """Counters on a server, and customers in the machine's own file, where there is one yet.

    A server that has not answered is not asked again for a moment, so that who asks much does not wait for each.
    """

    def __init__(
        self, ledger: Ledger, local: Counters | None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger = ledger
        self._local = local
        self._monotonic = monotonic
        self._rests_until = 0.0

    @property
    def is_new(self) -> bool:
        return self._ask(lambda ledger: ledger.is_new)

    def close(self) -> None:
        self._ledger.close()
        if self._local is not None:
            self._local.close()

    def correct(self, counted: Counted, amount: int, now: int) -> bool:
        return self._ask(lambda ledger: ledger.correct(counted, amount, now))

    def read(self, term: CounterTerms, now: int, /) -> int:
        return self._ask(lambda ledger: ledger.read(term, now))

    def reset(self, keys: Iterable[bytes], /) -> int:
        return self._ask(lambda ledger: ledger.reset(keys))

    def customer(self, key: bytes) -> CustomerTerms | None:
        return None if self._local is None else self._local.customer(key)

    def put_customer(self, key: bytes, terms: CustomerTerms, *, only_unmanaged: bool = False) -> bool:
        return self._local is not None and self._local.put_customer(key, terms, only_unmanaged=only_unmanaged)

    def forget_customer(self, key: bytes) -> bool:
        return self._local is not None and self._local.forget_customer(key)

    def _ask(self, question: Callable[[Ledger], T]) -> T:
        if self._monotonic() < self._rests_until:
            raise SharedSilent("the shared counters did not answer a moment ago")
        try:
            return question(self._ledger)
        except SharedSilent:
            self._rests_until = self._monotonic() + _REST
            raise


def open_ledger(url: Secret, timeout: float) -> Ledger:
    """Return the counters on a server. It is not asked yet."""
    module: Any = importlib.import_module(_LEDGER)
    ledger: Ledger = module.SharedLedger(url, timeout=timeout)
    return ledger


def open_counters(path: Path, url: Secret | None, timeout: float = PATIENCE) -> AllCounters | None:
    """Return the counters of a home; None where none were made yet, or its file cannot be used."""
    try:
        local = Counters(path) if path.exists() else None
    except (OSError, RowsUnreadable):
        local = None
    return local if url is None else SharedOverLocal(open_ledger(url, timeout), local)


@contextmanager
def opened_counters(path: Path, url: Secret | None = None) -> Iterator[AllCounters | None]:
    """Open the counters of a home for one question; None where there are none."""
    counters = open_counters(path, url)
    try:
        yield counters
    finally:
        if counters is not None:
            counters.close()
