"""What all routes of the console share: the stores, opened when first asked, the journal, and the way to ask.

Law: the stores are synchronous, so every question runs in a thread, and nobody waits for it longer than `patience`. A
store that is locked, full or gone costs a 503 with what to do; the console starts and stays up without one.
"""

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from gantry.board.all_counters import AllCounters, open_counters
from gantry.board.answers import AnswerCache
from gantry.board.board import Board
from gantry.console.entrance import Entrance
from gantry.console.model_book import ModelBook
from gantry.console.otlp_target import OtlpTarget
from gantry.console.probe import HERE, Outside
from gantry.core.audit_entry import SYSTEM, AuditAction, Author
from gantry.core.custom_provider import CustomProvider
from gantry.core.errors import InvalidRequest, Overloaded
from gantry.core.retention import FOR_EVER, Retention
from gantry.core.secret import Secret
from gantry.home import Home
from gantry.journal.writer import JournalWriter
from gantry.prices.rates import Rates
from gantry.providers.model_catalogue import Catalogue
from gantry.store.control import ControlStore
from gantry.store.database import Clock, DataRefused, StoreUnavailable, TooMuchToRead
from gantry.store.logs import LogStore
from gantry.store.schema import SchemaError
from gantry.store.vault import Vault

PATIENCE: Final = 10.0  # for an answer; the store ends its own question a little earlier, and says so
READING: Final = 0.9 * PATIENCE
_THREADS: Final = 8
_PROBES: Final = 2
_BODIES: Final = 4  # posted logs of up to 20 MB that are held at a time
_RETRY_AFTER: Final = 2.0

T = TypeVar("T")

logger = logging.getLogger(__name__)

# Whose request this task serves. Its gate says so, and what is changed meanwhile is put down to them.
_ACTING: Final[ContextVar[Author]] = ContextVar("acting", default=SYSTEM)


def act_as(author: Author) -> None:
    """Put down what this task changes from now on to somebody."""
    _ACTING.set(author)


class Lazily(Generic[T]):
    """A thing that is opened by the first thread to need it, and tried again by the next when that failed."""

    def __init__(self, open_it: Callable[[], T]) -> None:
        self._open: Final = open_it
        self._lock: Final = threading.Lock()
        self._opened: T | None = None

    def get(self) -> T:
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    @property
    def opened(self) -> T | None:
        return self._opened


class ConsoleState:
    """The console's one instance."""

    def __init__(
        self,
        *,
        control: Callable[[], ControlStore],
        logs: Callable[[], LogStore],
        journal: JournalWriter,
        pepper: bytes,
        vault: Vault,
        clock: Clock,
        patience: float = PATIENCE,
        entrance: Entrance | None = None,
        models: ModelBook | None = None,
        board: Board | None = None,
        answers: AnswerCache | None = None,
        health: Path | None = None,
        counters: Path | None = None,
        shared: Secret | None = None,
        retention: Retention = FOR_EVER,
        outside: Outside = HERE,
        home: Home | None = None,
        spans_to: OtlpTarget | None = None,
    ) -> None:
        """`entrance` is how people come in; without one, sessions are this process's own. `board` tells when a change
        is live; without one nobody is asked. `answers` is this machine's cache, `health` the file of what its workers
        know of deployments, `counters` that of what limits have counted, and `shared` the URL of the server that counts
        in its place. `retention` holds for organizations that have not said.
        `outside` is what it takes to ask a provider something, `home` the files of this machine, `spans_to` where the
        clerk exports to.
        """
        self.journal: Final = journal
        self.pepper: Final = pepper
        self.vault: Final = vault
        self.clock: Final = clock
        self.outside: Final = outside
        self.home: Final = home
        self.spans_to: Final = spans_to
        self.entrance: Final = entrance or Entrance(secrets.token_bytes(32))
        self.board: Final = board
        self.answers: Final = answers
        self.health: Final = health
        self.retention: Final = retention
        self._counters_at: Final = counters
        self._shared: Final = shared
        self._counters: AllCounters | None = None
        self._counting: Final = ThreadPoolExecutor(1, thread_name_prefix="counters")
        self.models: Final = models or ModelBook(lambda: None, clock)
        self.bodies: Final = asyncio.Semaphore(_BODIES)
        self.batches: Final = asyncio.Semaphore(1)  # a batch may have 100 MB
        self._control: Final = Lazily(control)
        self._logs: Final = Lazily(logs)
        self._patience: Final = patience
        self._threads: Final = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        self.telling: Final[set[Future[None]]] = set()
        self._probing: Final = ThreadPoolExecutor(_PROBES, thread_name_prefix="probe")

    @property
    def counters(self) -> AllCounters | None:
        """What limits have counted; None while no worker has counted. A server is not to be waited for on the loop."""
        if self._counters is None and self._counters_at is not None:
            self._counters = open_counters(self._counters_at, self._shared)
        return self._counters

    async def ask_counters(self, question: Callable[[AllCounters | None], T]) -> T:
        """Return the counters' answer: a file's at once, a server's in a moment. Raises SharedSilent."""
        if self._shared is None:
            return question(self.counters)
        return await asyncio.get_running_loop().run_in_executor(self._counting, question, self.counters)

    async def ask_control(self, question: Callable[[ControlStore], T]) -> T:
        """Return the control store's answer. Raises Overloaded when there is none in time."""
        author = _ACTING.get()
        return await self._ask(lambda: question(self._control.get().acting_as(author)), "configuration database")

    def tell_control(self, told: Callable[[ControlStore], None]) -> None:
        """Let the control store know something by and by: nobody waits, and a fault is only logged."""

        def tell() -> None:
            try:
                told(self._control.get())
            except (StoreUnavailable, SchemaError) as error:
                logger.warning("the configuration database does not know of what was just done: %s", error)

        self.telling.add(telling := self._threads.submit(tell))
        telling.add_done_callback(self.telling.discard)

    async def note(self, organization_id: str, action: AuditAction, subject: str, /, **detail: Any) -> None:
        """Put down in the audit log what was done elsewhere than in the configuration."""
        await self.ask_control(lambda control: control.note(organization_id, action, subject, **detail))

    async def ask_logs(self, question: Callable[[LogStore], T]) -> T:
        """Return the log store's answer. Raises Overloaded when there is none in time."""
        return await self._ask(lambda: question(self._logs.get()), "log database")

    async def ask_rates(self) -> Rates | None:
        """Return the prices that calls are priced by; None until the clerk has compiled them."""
        return await self._ask(self.models.rates, "folder of prices")

    async def ask_models(self, customs: Sequence[CustomProvider] = ()) -> Catalogue:
        """Return the catalogue of models, with the custom providers that are given."""
        return await self._ask(lambda: self.models.read(customs), "catalogue of models")

    async def ask_outside(self, question: Callable[[Outside], T]) -> T:
        """Return what a provider is asked, by a function that bounds its time itself."""
        return await asyncio.get_running_loop().run_in_executor(self._probing, question, self.outside)

    async def _ask(self, question: Callable[[], T], what: str) -> T:
        answer = asyncio.get_running_loop().run_in_executor(self._threads, question)
        try:
            return await asyncio.wait_for(answer, self._patience)
        except TimeoutError:
            reason = f"did not answer within {self._patience:g} seconds"
        except TooMuchToRead:
            raise Overloaded(
                f"There is too much to look through in {READING:g} seconds, so this is no answer, not an empty one. "
                "Ask for a shorter time, or filter by what most logs do not have: a model, a key, a customer, a status."
            ) from None
        except (StoreUnavailable, SchemaError) as error:
            reason = f"cannot be used now ({error})"
        except DataRefused:
            raise InvalidRequest(
                "The request has a value that no database can hold, such as a NUL in a text."
            ) from None
        raise Overloaded(
            f"The {what} {reason}. Calls through the gateway go on and are recorded; try again in a moment, and run "
            "`gantry doctor` when this stays.",
            retry_after=_RETRY_AFTER,
        )

    def close(self) -> None:
        """Release everything; threads that are still waiting for a database are left to the process's end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._counting.shutdown(wait=False, cancel_futures=True)
        self._probing.shutdown(wait=False, cancel_futures=True)
        for store in (self._control.opened, self._logs.opened):
            if store is not None:
                store.close()
        if self._counters is not None:
            self._counters.close()
        self.journal.close()
