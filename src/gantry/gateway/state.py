"""What all calls of a worker share: configuration, the journal, the board's slot, the pools, and a few counters."""

import os
import random
import time
from collections import deque
from typing import Final, Protocol

from gantry.board.board import Slot
from gantry.core.ids import ENTROPY_BYTES, format_id
from gantry.dial.origin import BaseURL, parse_base_url
from gantry.dial.pool import Dialler
from gantry.gateway.limits import WorkerLimits
from gantry.journal.frames import FrameKind
from gantry.journal.writer import JournalFull, JournalWriter
from gantry.routing.plan import Attempt
from gantry.routing.snapshot import KeyRecord, Snapshot

_MAX_HELD_TOKENS: Final = 20_000


class Watched(Protocol):
    """A call under way, as the worker's tick sees it."""

    def check(self, now: float) -> None:
        """Act on a deadline that has passed."""


class Ticking(Protocol):
    """A client's connection, as the worker's tick sees it."""

    def tick(self, now: float) -> None:
        """Close what is slow or idle for too long."""

    def abort(self) -> None: ...


class WorkerState:
    """The worker's one instance. `now` is a coarse monotonic clock, moved on by the worker's tick."""

    __slots__ = (
        "_bases",
        "_heads",
        "_tokens",
        "bytes_held",
        "calls",
        "clients",
        "dialler",
        "draining",
        "draw",
        "journal",
        "limits",
        "now",
        "pepper",
        "slot",
        "snapshot",
        "unwritten",
    )

    def __init__(
        self, limits: WorkerLimits, pepper: bytes, journal: JournalWriter, slot: Slot, dialler: Dialler
    ) -> None:
        self.limits = limits
        self.pepper = pepper
        self.journal = journal
        self.slot = slot
        self.dialler = dialler
        self.snapshot: Snapshot | None = None
        self.draining = False
        self.unwritten: deque[bytes] = deque()  # close frames that the journal refused, to be written when it has room
        self.bytes_held = 0
        self.now = time.monotonic()
        self.draw = random.random
        self.calls: set[Watched] = set()
        self.clients: set[Ticking] = set()
        self._tokens: dict[str, KeyRecord] = {}
        self._heads: dict[tuple[str, str, str], bytes] = {}
        self._bases: dict[tuple[str, bool], BaseURL] = {}

    def swap(self, snapshot: Snapshot) -> None:
        """Route by another snapshot from now on. Calls under way go on by the one they were planned with."""
        self.snapshot = snapshot
        self._tokens.clear()
        self._heads.clear()
        self._bases.clear()

    def held_key(self, token: str) -> KeyRecord | None:
        return self._tokens.get(token)

    def hold_key(self, token: str, key: KeyRecord) -> None:
        if len(self._tokens) >= _MAX_HELD_TOKENS:
            self._tokens.clear()
        self._tokens[token] = key

    def base_url(self, attempt: Attempt) -> BaseURL:
        """Return where an attempt goes. Only a URL that the operator stored may lead to a private address."""
        url = attempt.credential.base_url
        private = not attempt.callers_credential
        base = self._bases.get((url, private))
        if base is None:
            base = self._bases[url, private] = parse_base_url(url, private=private)
        return base

    def request_start(self, method: str, attempt: Attempt, query: bytes) -> bytes:
        """Return the first lines of an upstream request, credential included; kept per credential and path."""
        key = (method, attempt.credential.credential_id, attempt.path)
        kept = None if attempt.callers_credential or query else self._heads.get(key)
        if kept is None:
            base = self.base_url(attempt)
            auth = attempt.provider.auth
            secret = attempt.credential.secrets[auth.field].reveal()
            line = f"{method} {base.path}{attempt.path}".encode() + query + b" HTTP/1.1\r\n"
            kept = line + f"host: {base.origin.authority}\r\n{auth.render(secret)}\r\n".encode()
            if not (attempt.callers_credential or query) and len(self._heads) < _MAX_HELD_TOKENS:
                self._heads[key] = kept
        return kept

    def write_unwritten(self) -> None:
        """Write the close frames that the journal had no room for."""
        while self.unwritten:
            try:
                self.journal.append(FrameKind.CALL_CLOSED, self.unwritten[0])
            except JournalFull:
                return
            self.unwritten.popleft()

    def new_log_id(self, unix_ns: int) -> str:
        return format_id(unix_ns // 1_000_000, os.urandom(ENTROPY_BYTES))
