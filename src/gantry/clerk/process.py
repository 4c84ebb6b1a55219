"""The clerk's process: three loops, one that records, one that publishes and one that tells, and their end.

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

from gantry.board.all_counters import open_ledger
from gantry.board.answers import AnswerCache
from gantry.board.board import CLERK_SLOT, Board, Slot, State, Word
from gantry.board.counters import Counters
from gantry.board.rows import RowsUnreadable
from gantry.clerk.alert_book import AlertBook
from gantry.clerk.book_alerts import BookAlerts
from gantry.clerk.bookkeeping import REST as BOOKKEEPING_REST
from gantry.clerk.bookkeeping import Bookkeeping
from gantry.clerk.bounded_reading import BoundedReading
from gantry.clerk.correct import Corrections, Noting
from gantry.clerk.correct_shared import REST as CORRECTING_REST
from gantry.clerk.correct_shared import SharedCorrections, SharedNotes
from gantry.clerk.custom_prices import CustomPrices
from gantry.clerk.declared import apply_declared
from gantry.clerk.declared_books import apply_declared_books, apply_declared_limits
from gantry.clerk.declared_channels import apply_declared_channels
from gantry.clerk.declared_models import apply_declared_models
from gantry.clerk.declared_prices import apply_declared_prices
from gantry.clerk.declared_routing import apply_declared_routing
from gantry.clerk.erase import REST as ERASING_REST
from gantry.clerk.erase import Erasing, Forgotten
from gantry.clerk.exporting import REST as EXPORTING_REST
from gantry.clerk.exporting import Exporting
from gantry.clerk.figures import Tally
from gantry.clerk.granted import GrantedCredits
from gantry.clerk.limit_alerts import Counting
from gantry.clerk.loop import keep_doing
from gantry.clerk.price_table import open_rates
from gantry.clerk.publish import Publisher
from gantry.clerk.rated_meter import RatedMeter
from gantry.clerk.record import Recorder
from gantry.clerk.refill import fill_if_new, put_customers_if_new
from gantry.clerk.retain import REST as RETAINING_REST
from gantry.clerk.retain import Retaining
from gantry.clerk.telling import Telling
from gantry.clerk.watch import Watch
from gantry.core.secret import Secret
from gantry.home import Home, HomeLock, Keyring, load_keyring, wait_while_moving
from gantry.prices.folder import PriceFolder, Stamp
from gantry.providers.spec import load_catalog
from gantry.settings import SettingsError, load_settings
from gantry.store.addresses import control_address, log_address
from gantry.store.control import ControlStore
from gantry.store.control_tables import CONTROL
from gantry.store.database import Address, Database, StoreUnavailable, sql_address
from gantry.store.erasures import all_erasures
from gantry.store.listening import Listener
from gantry.store.log_tables import LOGS
from gantry.store.logs import LogStore
from gantry.store.schema import refuse_newer
from gantry.store.vault import Vault

_GATHERING = 0.2  # seconds in which records gather to share a commit: on disk with one fsync, visible soon enough
_GATHERING_MANY = 0.5  # where many come: a batch costs some 4 ms beside its records, whatever their number
_MANY = 100  # records of a batch
_TELLING = 0.5  # seconds between two looks for deliveries
_LISTENING = 1.0  # seconds in which a new version is found that nobody told of
_SECONDS_TO_FLUSH = 20.0  # less than the supervisor waits
_SECONDS_TO_ANSWER = 2.0  # for the server of shared counters, which only the thread that sets it right waits for
_SECONDS_TO_PART = 5.0  # for deliveries that are under way
GARBAGE_THRESHOLD = (
    200_000  # objects: a batch makes many and no cycles, and looking through them takes a tenth of the time
)
_CONFIRMATIONS_PER_AGE = 4  # a snapshot is confirmed so often within the age at which workers refuse it

logger = logging.getLogger(__name__)


class Recording:
    """The recording loop's step. The first one opens the store; until that succeeds there is no lag to show."""

    def __init__(
        self,
        home: Home,
        keyring: Keyring,
        address: Address,
        control: str | Path,
        customs: CustomPrices,
        slot: Slot,
        book: AlertBook,
        shared: Secret | None = None,
        forgotten: Forgotten | None = None,
        published: threading.Event | None = None,
    ) -> None:
        """`shared` is the URL of the counters that several machines share.

        `published` is that of a publisher beside it, see `Publishing`: the clerk is ready when both are.
        """
        self._home = home
        self._published = published
        self._forgotten = forgotten
        self._shared = shared
        self.notes: SharedNotes | None = None  # for who sets right those counters
        self._control = control
        self._book = book
        self._answers = AnswerCache(home.responses, keyring.responses, keyring.response_names)
        self._address = address
        self._customs = customs
        self._slot = slot
        self._recorder: Recorder | None = None
        self._prices = PriceFolder(home.prices)
        self._stamp: Stamp = ()
        self._meter: RatedMeter | None = None
        self._tally = Tally(home.figures)

    def step(self) -> bool:
        """Store one batch, and return whether a whole one is waiting: what is less waits, to share a transaction."""
        recorder = self._opened()
        self._customs.refresh()
        self._refresh_rates()
        stored = recorder.run_once()
        self._tally.write_if_due()
        if self._slot[Word.STATE] == State.STARTING and (self._published is None or self._published.is_set()):
            self._slot[Word.STATE] = State.READY
        return stored and recorder.is_behind

    def rest(self) -> float:
        """Return the seconds in which the next batch gathers."""
        many = self._recorder is not None and self._recorder.stored >= _MANY
        return _GATHERING_MANY if many else _GATHERING

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
            if self._forgotten is not None:
                with store.reading() as connection:
                    self._forgotten.learn(all_erasures(connection))
            self._stamp = self._prices.stamp()
            meter = self._meter = RatedMeter(open_rates(self._home.cache, self._prices), self._customs)
            corrections, counting = self._open_counters(store)
            self._recorder = Recorder(
                self._home.journal,
                self._home.rejected,
                store,
                meter,
                self._slot,
                is_kept=self._answers.holds,
                watcher=Watch(self._book, counting, meter.is_priced),
                corrections=corrections,
                tally=self._tally,
                forgotten=self._forgotten,
            )
        return self._recorder

    def _open_counters(self, store: LogStore) -> tuple[Noting | None, Counting | None]:
        """Open what workers count on, and fill it where it is new. Records are stored also without it."""
        try:
            counters = Counters(self._home.counters)
            if self._shared is not None:
                put_customers_if_new(counters, store)
                self.notes = SharedNotes(self._home.corrected_shared, counters, store, time.time_ns)
                return self.notes, BoundedReading(self._shared)
            fill_if_new(counters, self._control, store, time.time_ns)
            return Corrections(self._home.corrected, counters, store, time.time_ns), counters
        except (OSError, RowsUnreadable) as error:
            logger.error("limits and credits are not set right by what records say: %s", error)
            return None, None

    def _refresh_rates(self) -> None:
        """Price by what was imported or set since, if anything was."""
        stamp = self._prices.stamp()
        if stamp != self._stamp and self._meter is not None:
            self._stamp = stamp
            self._meter.rates = open_rates(self._home.cache, self._prices)


class Correcting:
    """The step of the loop that sets right the counters that several machines share."""

    def __init__(self, recording: Recording, shared: Secret, control: str | Path, logs: Address) -> None:
        self._recording = recording
        self._shared = shared
        self._addresses = control, logs
        self._corrections: SharedCorrections | None = None

    def step(self) -> bool:
        """Set right what is noted, once the recorder has opened the store. Raises StoreUnavailable."""
        notes = self._recording.notes
        if self._corrections is None and notes is not None:
            control, logs = self._addresses
            ledger = open_ledger(self._shared, _SECONDS_TO_ANSWER)
            self._corrections = SharedCorrections(notes, ledger, control, LogStore(logs))
        return self._corrections is not None and self._corrections.step()

    def finish(self) -> None:
        """Set right what the last records say, if the server answers; else it stays noted."""
        try:
            self.step()
        except Exception as error:  # the boundary of the process
            logger.warning("the clerk leaves before the shared counters are set right", exc_info=error)


class Publishing:
    """The publishing loop's step. The first one, and each after `reload`, applies what is declared in gantry.toml.

    `begun` is set once it was applied and published, or that was tried in vain: a clerk is ready when workers route by
    what it has to say, and a database that is away keeps it from recording no longer than it must.
    """

    def __init__(
        self, home: Home, address: str | Path, keyring: Keyring, environ: Mapping[str, str], granted: GrantedCredits
    ) -> None:
        self._home = home
        self._address = address
        self._granted = granted
        self._keyring = keyring
        self._environ = environ
        self._catalog = load_catalog()
        self._store: ControlStore | None = None
        self._publisher: Publisher | None = None
        self._listener: Listener | None = None
        self._patience = _LISTENING
        self.begun = threading.Event()
        self._reload = threading.Event()
        self._reload.set()

    def reload(self) -> None:
        self._reload.set()

    def step(self) -> bool:
        """Publish what is new, wait until there may be more, and say so. Raises StoreUnavailable."""
        try:
            self._publish()
        finally:
            self.begun.set()
        if self._listener is not None:
            self._listener.wait(self._patience)
        return True

    def _publish(self) -> None:
        if self._store is None:
            self._store = ControlStore(self._address)
            self._listener = self._store.listener()
        if self._reload.is_set():
            self._reload.clear()
            self._declare(self._store)
        if self._publisher is None:
            self._publisher = Publisher(self._home, self._keyring, self._store, self._environ, granted=self._granted)
        publication = self._publisher.poll()
        if publication is not None:
            logger.info("snapshot %d is published", publication.version)
            _warn(publication.problems)

    def _declare(self, store: ControlStore) -> None:
        """Apply gantry.toml and the environment. What is wrong with them is said, and stops no publishing."""
        try:
            settings, declared = load_settings(self._home, {}, self._environ)
        except SettingsError as error:
            logger.error("what gantry.toml declares is not applied: %s", error)
            return
        try:
            vault, rates = (
                Vault(self._keyring.vault),
                partial(open_rates, self._home.cache, PriceFolder(self._home.prices)),
            )
            _warn(apply_declared(store, vault, self._catalog, declared.providers, self._environ))
            _warn(apply_declared_prices(PriceFolder(self._home.prices), declared.prices))
            _warn(apply_declared_models(store, self._catalog, declared.models, rates))
            _warn(apply_declared_routing(store, self._catalog, declared.routing))
            _warn(apply_declared_limits(store, declared.limits))
            _warn(apply_declared_books(store, declared.books))
            _warn(apply_declared_channels(store, vault, declared.alert_channels, self._environ))
        except BaseException:
            self._reload.set()
            raise
        age = settings.max_snapshot_age
        confirm_every = None if age is None else age / _CONFIRMATIONS_PER_AGE
        self._patience = _LISTENING if confirm_every is None else min(_LISTENING, confirm_every)
        self._publisher = Publisher(
            self._home,
            self._keyring,
            store,
            self._environ,
            granted=self._granted,
            catalog=self._catalog,
            confirm_every=confirm_every,
        )


def run_clerk(home: Home, lifeline: int, environ: Mapping[str, str]) -> None:
    """Record and publish until SIGTERM, SIGINT or the end of the lifeline.

    Raises HomeError, SettingsError, SchemaTooNew.
    """
    lock = _take_home(home, lifeline)
    keyring = load_keyring(home, environ.get("GANTRY_MASTER_KEY"))
    settings, _ = load_settings(home, {}, environ)
    logging.getLogger().setLevel(settings.log_level.upper())
    control, logs, shared = control_address(settings, home), log_address(settings, home), settings.redis_url
    _refuse_newer(control, sql_address(logs))
    slot = Board(home.board).slot(CLERK_SLOT)
    slot.claim(os.getpid(), time.time_ns())
    stop = threading.Event()
    publishing = Publishing(home, control, keyring, environ, GrantedCredits(sql_address(logs)))
    customs, book = CustomPrices(control), AlertBook(home, keyring, control)
    forgotten = Forgotten(keyring.pepper)
    recording = Recording(home, keyring, logs, control, customs, slot, book, shared, forgotten, publishing.begun)
    book_alerts = BookAlerts(AlertBook(home, keyring, control), logs)
    bookkeeping = Bookkeeping(home, keyring, logs, control, tell=book_alerts.tell)
    telling = Telling(home, keyring, settings, environ, control, logs)
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
    teller = threading.Thread(target=_tell, args=(telling, stop, slot), name="tell", daemon=True)
    teller.start()
    exporter = None
    if settings.otlp_endpoint is not None:
        exporting = Exporting(home, settings, control, logs, slot)
        exporter = threading.Thread(target=_export, args=(exporting, stop, slot), name="export", daemon=True)
        exporter.start()
    threading.Thread(
        target=keep_doing,
        args=("bookkeeping", bookkeeping.step, stop, slot, Word.STORE_FAULTS),
        kwargs={"rest": BOOKKEEPING_REST},
        name="books",
        daemon=True,
    ).start()
    threading.Thread(
        target=keep_doing,
        args=("retention", Retaining(logs, control, settings.retention).step, stop, slot, Word.STORE_FAULTS),
        kwargs={"rest": RETAINING_REST},
        name="retain",
        daemon=True,
    ).start()
    threading.Thread(
        target=keep_doing,
        args=("erasing", Erasing(home, keyring, logs, forgotten).step, stop, slot, Word.STORE_FAULTS),
        kwargs={"rest": ERASING_REST},
        name="erase",
        daemon=True,
    ).start()
    correcting = None
    if shared is not None:
        correcting = Correcting(recording, shared, control, logs)
        corrector = threading.Thread(target=_correct, args=(correcting, stop, slot), name="correct", daemon=True)
        corrector.start()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    keep_doing("recording", recording.step, stop, slot, Word.STORE_FAULTS, rest=recording.rest)
    slot[Word.STATE] = State.DRAINING
    recording.flush(time.monotonic() + _SECONDS_TO_FLUSH)
    if correcting is not None:
        corrector.join(_SECONDS_TO_PART)
        if not corrector.is_alive():
            correcting.finish()
    teller.join(_SECONDS_TO_PART)
    if exporter is not None:
        exporter.join(_SECONDS_TO_PART)
    slot.release()
    lock.release()


def _take_home(home: Home, lifeline: int) -> HomeLock:
    """Be the clerk of a home, once its store is where it is to be. Raises HomeError."""
    home.prepare()
    lock = home.lock("clerk")
    wait_while_moving(home, lifeline)
    return lock


def _refuse_newer(control: str | Path, logs: str | Path) -> None:
    """Raise SchemaTooNew where a newer version has migrated a database; one that is away is asked again later."""
    for address, tree in ((control, CONTROL), (logs, LOGS)):
        database = Database(address)
        try:
            refuse_newer(database, tree)
        except StoreUnavailable as error:
            logger.warning("the revision of the %s tables is not known yet: %s", tree.name, error)
        finally:
            database.close()


def _correct(correcting: Correcting, stop: threading.Event, slot: Slot) -> None:
    keep_doing("setting shared counters right", correcting.step, stop, slot, Word.STORE_FAULTS, rest=CORRECTING_REST)


def _tell(telling: Telling, stop: threading.Event, slot: Slot) -> None:
    keep_doing("telling", telling.step, stop, slot, Word.DELIVERY_FAULTS, rest=_TELLING)
    telling.close()


def _export(exporting: Exporting, stop: threading.Event, slot: Slot) -> None:
    keep_doing("exporting", exporting.step, stop, slot, Word.EXPORT_FAULTS, rest=EXPORTING_REST)
    exporting.close()


def _watch(lifeline: int) -> None:
    """Leave with the supervisor. A process that is killed loses nothing, so this one need not tidy up."""
    while os.read(lifeline, 1):
        continue
    logger.info("the supervisor is gone; the clerk leaves")
    os._exit(0)


def _warn(problems: Iterable[str]) -> None:
    for problem in problems:
        logger.warning("%s", problem)
