"""The clerk's process: two loops, one that records and one that publishes, and their end.

Law: a database that cannot be opened yet is a fault like any other, tried again while the journal holds the records and
the last snapshot stays live. SIGTERM stores what the journals hold, for as long as the supervisor waits. The end of the
lifeline, a pipe of the supervisor's, ends the process at once and costs nothing: what is not stored is in the journal.
"""

import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from gantry.board.answers import AnswerCache
from gantry.board.board import CLERK_SLOT, Board, Slot, State, Word
from gantry.clerk.custom_prices import CustomPrices
from gantry.clerk.declared import apply_declared
from gantry.clerk.declared_models import apply_declared_models
from gantry.clerk.declared_routing import apply_declared_routing
from gantry.clerk.loop import keep_doing
from gantry.clerk.meter import meter_call, meter_posted
from gantry.clerk.price_table import open_rates
from gantry.clerk.publish import Publisher
from gantry.clerk.record import Recorder
from gantry.core.request_log import RequestLog
from gantry.home import Home, Keyring, load_keyring
from gantry.journal.frames import CallClosed, CallOpened, LogPosted
from gantry.prices.rates import Rates
from gantry.providers.spec import load_catalog
from gantry.settings import SettingsError, load_settings
from gantry.store.control import ControlStore
from gantry.store.logs import LogStore
from gantry.store.vault import Vault

_GATHERING = 0.2  # seconds in which records gather to share a commit: on disk with one fsync, visible soon enough
_SECONDS_TO_FLUSH = 20.0  # less than the supervisor waits
GARBAGE_THRESHOLD = (
    200_000  # objects: a batch makes many and no cycles, and looking through them takes a tenth of the time
)
_CONFIRMATIONS_PER_AGE = 4  # a snapshot is confirmed so often within the age at which workers refuse it

logger = logging.getLogger(__name__)


class RatedMeter:
    """The meter, with its rates bound, and the custom models where there may be some."""

    def __init__(self, rates: Rates, customs: CustomPrices | None = None) -> None:
        self._rates = rates
        self._customs = customs

    def call(self, opened: CallOpened, request: bytes, response: bytes, closed: CallClosed) -> RequestLog:
        custom, note = None, closed.cache
        if self._customs is not None:
            asked = closed.turned_to or opened.requested_model
            if note is not None and note.hit:
                asked = note.asked_model
            custom = self._customs.find(opened.organization_id, asked, opened.snapshot_version)
        return meter_call(opened, request, response, closed, self._rates, custom)

    def posted(self, frame: LogPosted) -> RequestLog:
        customs = self._customs
        find = None if customs is None else lambda name: customs.find(frame.organization_id, name)
        return meter_posted(frame, self._rates, find)


class Recording:
    """The recording loop's step. The first one opens the store; until that succeeds there is no lag to show."""

    def __init__(self, home: Home, keyring: Keyring, address: str | Path, customs: CustomPrices, slot: Slot) -> None:
        self._home = home
        self._answers = AnswerCache(home.responses, keyring.responses, keyring.response_names)
        self._address = address
        self._customs = customs
        self._slot = slot
        self._recorder: Recorder | None = None

    def step(self) -> bool:
        """Store one batch, and return whether a whole one is waiting: what is less waits, to share a transaction."""
        recorder = self._opened()
        self._customs.refresh()
        stored = recorder.run_once()
        if self._slot[Word.STATE] == State.STARTING:
            self._slot[Word.STATE] = State.READY
        return stored and recorder.is_behind

    def flush(self, until: float) -> None:
        """Store what the journals hold, until the monotonic time `until` at the latest."""
        try:
            recorder = self._opened()
            self._customs.refresh()
            while recorder.run_once():
                if time.monotonic() >= until:
                    logger.warning("the clerk leaves before all records are stored; the journal keeps the rest")
                    return
        except Exception as error:  # the boundary of the process: the next clerk goes on where this one was
            logger.warning("the clerk leaves with records in the journal", exc_info=error)

    def _opened(self) -> Recorder:
        if self._recorder is None:
            store = LogStore(self._address)
            meter = RatedMeter(open_rates(self._home.cache), self._customs)
            self._recorder = Recorder(
                self._home.journal, self._home.rejected, store, meter, self._slot, is_kept=self._answers.holds
            )
        return self._recorder


class Publishing:
    """The publishing loop's step. The first one, and each after `reload`, applies what is declared in gantry.toml."""

    def __init__(self, home: Home, address: str | Path, keyring: Keyring, environ: Mapping[str, str]) -> None:
        self._home = home
        self._address = address
        self._keyring = keyring
        self._environ = environ
        self._catalog = load_catalog()
        self._store: ControlStore | None = None
        self._publisher: Publisher | None = None
        self._reload = threading.Event()
        self._reload.set()

    def reload(self) -> None:
        self._reload.set()

    def step(self) -> bool:
        if self._store is None:
            self._store = ControlStore(self._address)
        if self._reload.is_set():
            self._reload.clear()
            self._declare(self._store)
        if self._publisher is None:
            self._publisher = Publisher(self._home, self._keyring, self._store, self._environ)
        publication = self._publisher.poll()
        if publication is not None:
            logger.info("snapshot %d is published", publication.version)
            _warn(publication.problems)
        return False

    def _declare(self, store: ControlStore) -> None:
        """Apply gantry.toml and the environment. What is wrong with them is said, and stops no publishing."""
        try:
            settings, declared = load_settings(self._home, {}, self._environ)
        except SettingsError as error:
            logger.error("what gantry.toml declares is not applied: %s", error)
            return
        try:
            vault, rates = Vault(self._keyring.vault), partial(open_rates, self._home.cache)
            _warn(apply_declared(store, vault, self._catalog, declared.providers, self._environ))
            _warn(apply_declared_models(store, self._catalog, declared.models, rates))
            _warn(apply_declared_routing(store, self._catalog, declared.routing))
        except BaseException:
            self._reload.set()
            raise
        age = settings.max_snapshot_age
        self._publisher = Publisher(
            self._home,
            self._keyring,
            store,
            self._environ,
            catalog=self._catalog,
            confirm_every=None if age is None else age / _CONFIRMATIONS_PER_AGE,
        )


def run_clerk(home: Home, lifeline: int, environ: Mapping[str, str]) -> None:
    """Record and publish until SIGTERM, SIGINT or the end of the lifeline. Raises HomeError or SettingsError."""
    home.prepare()
    lock = home.lock("clerk")
    keyring = load_keyring(home, environ.get("GANTRY_MASTER_KEY"))
    settings, _ = load_settings(home, {}, environ)
    logging.getLogger().setLevel(settings.log_level.upper())
    url = settings.database.reveal() if settings.database is not None else None
    slot = Board(home.board).slot(CLERK_SLOT)
    slot.claim(os.getpid(), time.time_ns())
    stop = threading.Event()
    publishing = Publishing(home, url or home.control_db, keyring, environ)
    recording = Recording(home, keyring, url or home.logs_db, CustomPrices(url or home.control_db), slot)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, lambda *_: publishing.reload())
    threading.Thread(target=_watch, args=(lifeline,), name="lifeline", daemon=True).start()
    publisher = threading.Thread(
        target=keep_doing,
        args=("publishing", publishing.step, stop, slot, Word.PUBLISH_FAULTS),
        name="publish",
        daemon=True,
    )
    publisher.start()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    keep_doing("recording", recording.step, stop, slot, Word.STORE_FAULTS, rest=_GATHERING)
    slot[Word.STATE] = State.DRAINING
    recording.flush(time.monotonic() + _SECONDS_TO_FLUSH)
    slot.release()
    lock.release()


def _watch(lifeline: int) -> None:
    """Leave with the supervisor. A process that is killed loses nothing, so this one need not tidy up."""
    while os.read(lifeline, 1):
        continue
    logger.info("the supervisor is gone; the clerk leaves")
    os._exit(0)


def _warn(problems: Iterable[str]) -> None:
    for problem in problems:
        logger.warning("%s", problem)
