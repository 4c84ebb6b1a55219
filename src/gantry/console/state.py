"""What all routes of the console share: the stores, opened when first asked, the journal, and the way to ask.

Law: the stores are synchronous, so every question runs in a thread, and nobody waits for it longer than `patience`. A
store that is locked, full or gone costs a 503 with what to do; the console starts and stays up without one.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Generic, TypeVar

from gantry.board.answers import AnswerCache
from gantry.board.board import Board
from gantry.console.model_book import ModelBook
from gantry.core.custom_provider import CustomProvider
from gantry.core.errors import Overloaded
from gantry.journal.writer import JournalWriter
from gantry.providers.model_catalogue import Catalogue
from gantry.store.control import ControlStore
from gantry.store.database import Clock, StoreUnavailable
from gantry.store.logs import LogStore
from gantry.store.schema import SchemaError
from gantry.store.vault import Vault

PATIENCE: Final = 10.0
_THREADS: Final = 8
_BODIES: Final = 4  # posted logs of up to 20 MB that are held at a time
_RETRY_AFTER: Final = 2.0

T = TypeVar("T")


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
        models: ModelBook | None = None,
        board: Board | None = None,
        answers: AnswerCache | None = None,
        health: Path | None = None,
    ) -> None:
        """`board` tells when a change is live; without one nobody is asked. `answers` is this machine's cache, `health`
        the file of what its workers know of deployments.
        """
        self.journal: Final = journal
        self.pepper: Final = pepper
        self.vault: Final = vault
        self.clock: Final = clock
        self.board: Final = board
        self.answers: Final = answers
        self.health: Final = health
        self.models: Final = models or ModelBook(lambda: None, clock)
        self.bodies: Final = asyncio.Semaphore(_BODIES)
        self.batches: Final = asyncio.Semaphore(1)  # a batch may have 100 MB
        self._control: Final = Lazily(control)
        self._logs: Final = Lazily(logs)
        self._patience: Final = patience
        self._threads: Final = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")

    async def ask_control(self, question: Callable[[ControlStore], T]) -> T:
        """Return the control store's answer. Raises Overloaded when there is none in time."""
        return await self._ask(lambda: question(self._control.get()), "configuration database")

    async def ask_logs(self, question: Callable[[LogStore], T]) -> T:
        """Return the log store's answer. Raises Overloaded when there is none in time."""
        return await self._ask(lambda: question(self._logs.get()), "log database")

    async def ask_models(self, customs: Sequence[CustomProvider] = ()) -> Catalogue:
        """Return the catalogue of models, with the custom providers that are given."""
        return await self._ask(lambda: self.models.read(customs), "catalogue of models")

    async def _ask(self, question: Callable[[], T], what: str) -> T:
        answer = asyncio.get_running_loop().run_in_executor(self._threads, question)
        try:
            return await asyncio.wait_for(answer, self._patience)
        except TimeoutError:
            reason = f"did not answer within {self._patience:g} seconds"
        except (StoreUnavailable, SchemaError) as error:
            reason = f"cannot be used now ({error})"
        raise Overloaded(
            f"The {what} {reason}. Calls through the gateway go on and are recorded; try again in a moment, and run "
            "`gantry doctor` when this stays.",
            retry_after=_RETRY_AFTER,
        )

    def close(self) -> None:
        """Release everything; threads that are still waiting for a database are left to the process's end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for store in (self._control.opened, self._logs.opened):
            if store is not None:
                store.close()
        self.journal.close()
