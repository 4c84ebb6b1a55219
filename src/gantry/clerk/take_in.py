"""Foreign logs taken in: rows of another program's export, as posted logs in a journal of their own (law 9).

Law: a log that is stored already is not written again, so that an import which was cut off goes on where it was, and
one that is repeated adds nothing. A row that cannot be read is told and counted, and stops no other. The journal is
never so full for it that calls lose their bodies: what was written is stored first, by the clerk or else here.
"""

import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import msgspec
from msgspec import Struct

from gantry.board.board import CLERK_SLOT, Board
from gantry.clerk.alert_book import AlertBook
from gantry.clerk.custom_prices import CustomPrices
from gantry.clerk.erase import Forgotten
from gantry.clerk.process import Recording
from gantry.core.errors import InvalidRequest
from gantry.core.ids import ENTROPY_BITS, format_id
from gantry.core.vocabulary import ContentPolicy, Environment
from gantry.dialects.posted import AcceptedLog, accept_posted
from gantry.home import Home, HomeError, Keyring
from gantry.imports.log_source import ImportedLog, LogSource, RowRefused
from gantry.imports.rows import BadRow, Row
from gantry.journal.frames import FrameKind, LogPosted, encode_payload
from gantry.journal.writer import JournalFull, JournalLevel, JournalWriter
from gantry.settings import ServeSettings
from gantry.store.addresses import control_address, log_address
from gantry.store.known_logs import MOST_ASKED, known_logs
from gantry.store.logs import LogStore

STORE_EVERY: Final = 10_000  # logs
_LONGEST_LOG: Final = 20 * 1024 * 1024  # as at the other doors
_USER_AGENT: Final = "gantry import"
_PAUSE: Final = 0.2  # seconds between two looks at a journal that somebody else stores
_PATIENCE: Final = 300.0  # seconds in which nothing of it is stored

Store = Callable[[JournalWriter], None]


class Progress(Struct):
    """How far an import is. `columns` counts the rows that each column says something in."""

    read: int = 0
    new: int = 0
    known: int = 0
    bad: int = 0
    columns: Counter[str] = msgspec.field(default_factory=Counter)


class Owner(Struct, frozen=True):
    """The API key that logs are of, and what of them it lets be kept."""

    key_id: str
    content_policy: ContentPolicy = ContentPolicy.FULL


class _Taken(Struct, frozen=True):
    owner: Owner
    environment: Environment
    accepted: AcceptedLog


class StoringStuck(RuntimeError):
    """Nothing that was written is stored any more; the message says what to do."""


class Intake:
    """One import of a source's rows."""

    def __init__(
        self,
        source: LogSource,
        journal: JournalWriter | None,
        store: LogStore,
        *,
        organization_id: str,
        owners: Mapping[str, Owner],
        other: Owner,
        environment: Environment,
        providers: Mapping[str, str],
        make_room: Store,
        on_bad: Callable[[BadRow], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """`owners` are by the names of their keys, `other` is whose a log is of none. No journal: a trial."""
        self.progress = Progress()
        self._source = source
        self._journal = journal
        self._store = store
        self._organization_id = organization_id
        self._owners = owners
        self._other = other
        self._environment = environment
        self._providers = providers
        self._make_room = make_room
        self._on_bad = on_bad
        self._clock = clock
        self._unstored = 0

    def take(self, rows: Iterable[Row | BadRow]) -> Iterator[Progress]:
        """Take all rows, and yield how far it is after each few hundred. Raises JournalFull and StoringStuck."""
        waiting: list[_Taken] = []
        for row in rows:
            self.progress.read += 1
            taken = self._read(row)
            if isinstance(taken, BadRow):
                self.progress.bad += 1
                self._on_bad(taken)
                continue
            waiting.append(taken)
            if len(waiting) == MOST_ASKED:
                self._write(waiting)
                waiting = []
                yield self.progress
        self._write(waiting)
        if self._journal is not None:
            self._make_room(self._journal)
        yield self.progress

    def _read(self, row: Row | BadRow) -> _Taken | BadRow:
        if isinstance(row, BadRow):
            return row
        self.progress.columns.update(name for name, value in row.members.items() if value not in (None, "", {}, []))
        now = self._clock()
        try:
            log = self._source.read(row.members, self._providers)
            body = msgspec.json.encode(log.body)
            if len(body) > _LONGEST_LOG:
                return BadRow(row.number, f"a log has at most {_LONGEST_LOG // 1024 // 1024} MB")
            owner = self._owners.get(log.key or "", self._other)
            environment = self._environment_of(log)
            accepted = accept_posted(
                body,
                organization_id=self._organization_id,
                environment=environment,
                content_policy=owner.content_policy,
                received_at=now,
                new_id=format_id(now // 1_000_000, secrets.randbits(ENTROPY_BITS)),
            )
        except (RowRefused, InvalidRequest) as error:
            return BadRow(row.number, str(error))
        except (ValueError, TypeError, OverflowError, RecursionError) as error:  # of a value nobody thought of
            return BadRow(row.number, f"{type(error).__name__}: {error}")
        return _Taken(owner, environment, accepted)

    def _environment_of(self, log: ImportedLog) -> Environment:
        return self._environment if log.environment is None else Environment(log.environment)

    def _write(self, taken: list[_Taken]) -> None:
        if not taken:
            return
        with self._store.reading() as connection:
            known = known_logs(connection, [one.accepted.log_id for one in taken])
        self.progress.known += len(known)
        for one in taken:
            if one.accepted.log_id in known:
                continue
            known.add(one.accepted.log_id)  # an id that comes again is the same log
            self.progress.new += 1
            if self._journal is not None:
                self._append(self._journal, one)

    def _append(self, journal: JournalWriter, one: _Taken) -> None:
        self._unstored += 1
        if self._unstored >= STORE_EVERY or journal.level > JournalLevel.NORMAL:
            self._make_room(journal)
            self._unstored = 0
        frame = LogPosted(
            one.accepted.log_id,
            self._organization_id,
            one.owner.key_id,
            one.environment,
            self._clock(),
            one.owner.content_policy,
            one.accepted.body,
            _USER_AGENT,
        )
        if journal.level is JournalLevel.FULL:
            raise JournalFull("the journal is full; run this again when the clerk has stored what is in it")
        journal.append(FrameKind.LOG_POSTED, encode_payload(frame))


@contextmanager
def storing(home: Home, keyring: Keyring, settings: ServeSettings, board: Board) -> Iterator[Store]:
    """Yield what waits until there is room in a journal: for the clerk that runs, or, if none does, by being one.

    In the latter case this process has the clerk's lock and slot meanwhile.
    """
    try:
        lock = home.lock("clerk")
    except HomeError:
        yield lambda journal: wait_for_room(journal, pause=time.sleep)
        return
    control, logs = control_address(settings, home), log_address(settings, home)
    slot = board.slot(CLERK_SLOT)
    slot.claim(os.getpid(), time.time_ns())
    recording = Recording(
        home,
        keyring,
        logs,
        control,
        CustomPrices(control),
        slot,
        AlertBook(home, keyring, control),
        settings.redis_url,
        Forgotten(keyring.pepper),
    )

    def store(journal: JournalWriter) -> None:
        while recording.step():
            pass
        journal.refresh_level()

    try:
        recording.flush(time.monotonic() + _PATIENCE)  # what an import before this one left: it is known then
        yield store
    finally:
        recording.flush(time.monotonic() + _PATIENCE)
        slot.release()
        lock.release()


def wait_for_room(journal: JournalWriter, *, pause: Callable[[float], None]) -> None:
    """Wait while a journal has less room than calls need. Raises StoringStuck when nothing of it is stored."""
    waited, used = 0.0, journal.used
    journal.refresh_level()
    while journal.level > JournalLevel.NORMAL:
        if waited >= _PATIENCE:
            raise StoringStuck(
                "the clerk stores nothing: see `gantry status`, then run this again; it goes on from here"
            )
        pause(_PAUSE)
        journal.refresh_level()
        waited = 0.0 if journal.used < used else waited + _PAUSE
        used = journal.used
