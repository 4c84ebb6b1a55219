"""Setting the board right: the difference between what a worker counted of a call and what its record says.

Law: each difference is added once. It is noted in the transaction that stores the row and applied after the commit; how
far is a number in a file of our own, kept at each step, which outlives the process. A clerk that is killed between a
step and its note repeats that one difference, and no other. A board that was lost took its corrections with it: they
are in the sums that it is filled from.

What a call counted on a board that is gone is lost with it, so a call that began before the board was made, and was not
in the store when it was filled, adds all that it came to. A posted log was counted by nobody: it adds its cost to its
customer's budgets, where there are some, and to nothing else, for no limit of ours was asked about it.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from mmap import mmap
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from gantry.board.counters import Counters
from gantry.board.held import Held
from gantry.core.limit_terms import ORG_CREDITS, customer_counters, customer_key
from gantry.core.limits import Counted, CounterKind, CounterTerms, Difference, LimitUnit, counter_key, marked_up
from gantry.core.log_figures import is_cache_hit, total_tokens
from gantry.core.periods import Period, window_at
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Environment
from gantry.journal.frames import HoldNote
from gantry.store.customer_sums import CustomerNote
from gantry.store.logs import BoardNote, LogStore

_WORDS: Final = 3
_NAME, _BOARD, _PLACE = range(_WORDS)  # who we are, which board it is, the place of the next difference
_IN_ROW: Final = 24  # bits of a place within what one batch noted
_decoder: Final = msgspec.msgpack.Decoder(list[Difference])


class Noting(Protocol):
    """Who notes, for the recorder, by how much records differ from what a board counted."""

    def of_call(self, log: RequestLog, held: HoldNote | None, settled: HoldNote | None) -> list[Difference]: ...
    def of_posted(self, log: RequestLog) -> list[Difference]: ...
    def put_customer(self, organization_id: str, environment: Environment, note: CustomerNote) -> None: ...
    def note(self, differences: dict[str, list[Difference]]) -> BoardNote: ...
    def apply(self) -> None: ...


class Corrections:
    """Notes differences for one board, and applies them. Belongs to the recording thread."""

    def __init__(self, path: Path, counters: Counters, store: LogStore, clock: Callable[[], int]) -> None:
        """Raises OSError when there is no room for the file, and StoreUnavailable."""
        self._counters = counters
        self._store = store
        self._clock = clock
        self._words = _open_words(path)
        if self._words[_BOARD] != counters.made_at:
            self._words[_PLACE] = 1 << _IN_ROW
            self._words[_BOARD] = counters.made_at
        self.name = f"{self._words[_NAME]:016x}-{counters.made_at:x}"
        noted = store.noted_differences(self.name, self._begun)
        self._next = max([self._begun, *(number + 1 for number, _ in noted)])
        self._is_due = bool(noted)

    @property
    def _begun(self) -> int:
        """The number of the first batch that is not applied whole."""
        return int(self._words[_PLACE]) >> _IN_ROW

    def of_call(self, log: RequestLog, held: HoldNote | None, settled: HoldNote | None) -> list[Difference]:
        """Return by how much the record of a call differs from what the board has of it."""
        if held is None and settled is None:
            return []
        made_at = self._counters.made_at
        counted = counted_of(held, settled)
        if log.started_at >= made_at:
            return differences_of(log, counted)
        if settled is None:
            counted = [one for one in counted if one.kind == CounterKind.WINDOW]
            return differences_of(log, counted, [0] * len(counted))
        if held is not None and log.ended_at >= made_at:
            # Settling added to the new board what the old one had not held.
            before = {(one.key, one.window): one.amount for one in held.counted}
            there = [one.amount - before.get((one.key, one.window), 0) for one in counted]
            return differences_of(log, counted, there)
        return differences_of(log, counted, [0] * len(counted))

    def of_posted(self, log: RequestLog) -> list[Difference]:
        """Return what a posted log adds to its customer's budgets."""
        now = self._clock()
        budgets = [replace(one, blocks=False) for one in budgets_of(log, self._counters, now)]
        made = self._counters.hold(budgets, 0, 0, now) if budgets else None  # that the counters are there
        return differences_of(log, made.counted) if isinstance(made, Held) else []

    def put_customer(self, organization_id: str, environment: Environment, note: CustomerNote) -> None:
        """Note what a posted log says that its customer may spend."""
        put_customer(self._counters, organization_id, environment, note)

    def note(self, differences: dict[str, list[Difference]]) -> BoardNote:
        """Return what is to be stored with the rows of these logs."""
        number = self._next
        self._next += 1
        self._is_due = True
        return BoardNote(self.name, number, self._begun, differences)

    def apply(self) -> None:
        """Add what is noted and not applied yet. Raises StoreUnavailable."""
        if not self._is_due:
            return
        for number, payload in self._store.noted_differences(self.name, self._begun):
            place = int(self._words[_PLACE])
            begun = place & ((1 << _IN_ROW) - 1) if place >> _IN_ROW == number else 0
            for index, difference in enumerate(_decoder.decode(payload)):
                if index >= begun:
                    self._counters.correct(difference.counted, difference.amount, self._clock())
                    self._words[_PLACE] = number << _IN_ROW | index + 1
            self._words[_PLACE] = number + 1 << _IN_ROW
        self._is_due = False


def counted_of(held: HoldNote | None, settled: HoldNote | None) -> Sequence[Counted]:
    """Return what a worker has counted of a call; what crashed was never settled, and stands at what was held."""
    if settled is None:
        return () if held is None else held.counted
    return settled.counted_on(settled.counters if held is None else held.counters)


def differences_of(
    log: RequestLog, settled: Sequence[Counted], there: Sequence[int] | None = None, *, keep: bool = False
) -> list[Difference]:
    """Return by how much a record differs from what was counted, or from what is `there`; with `keep`, also where it
    does not.

    A cost that nobody knows is nothing, on the board as in the sums: whoever must not be surprised blocks such calls.
    Credits pay what is charged to them and no more: an attempt through the platform's credential may have been one of
    several, and another gave the answer.
    """
    cost = log.cost or 0
    unused = counter_key(log.organization_id, ORG_CREDITS) if log.charged is None else None
    tokens = 0 if is_cache_hit(log) else total_tokens(log) or 0
    found = []
    for place, counted in enumerate(settled):
        if counted.kind == CounterKind.GAUGE:
            continue
        if counted.unit == LimitUnit.COST:
            amount = 0 if counted.key == unused else marked_up(cost, counted.markup_ppm)
        else:
            amount = tokens if counted.unit == LimitUnit.TOKENS else counted.amount
        amount -= counted.amount if there is None else there[place]
        if amount or keep:
            found.append(Difference(counted, amount))
    return found


def budgets_of(log: RequestLog, counters: Counters, now: int) -> Iterator[CounterTerms]:
    """Yield the counters of its customer that a posted log adds to, as far as their windows are on."""
    if not log.cost or log.customer_identifier is None:
        return
    customer, environment = log.customer_identifier, log.environment
    terms = counters.customer(customer_key(log.organization_id, environment, customer))
    if terms is not None:
        for one in customer_counters(log.organization_id, environment, customer, terms):
            if one.kind is CounterKind.WINDOW and _is_on(one.period, log.started_at, now, one.anchor):
                yield one


def put_customer(counters: Counters, organization_id: str, environment: Environment, note: CustomerNote) -> None:
    """Put on the board what traffic says that a customer may spend."""
    if note.terms is not None:
        key = customer_key(organization_id, environment, note.customer_identifier)
        counters.put_customer(key, note.terms, only_unmanaged=True)


def _is_on(period: Period, at: int, now: int, anchor: int) -> bool:
    return window_at(period, at, anchor).number == window_at(period, now, anchor).number


def _open_words(path: Path) -> "memoryview[int]":
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(fd).st_size != 8 * _WORDS:
            os.pwrite(fd, secrets.token_bytes(8) + bytes(8 * (_WORDS - 1)), 0)
        return memoryview(mmap(fd, 8 * _WORDS)).cast("Q")
    finally:
        os.close(fd)
