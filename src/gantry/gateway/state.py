"""What all calls of a worker share: configuration, the journal, the board's slot, the pools, and a few counters."""

import random
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from gantry.board.answers import AnswerCache
from gantry.board.board import Slot
from gantry.board.resources import ResourceBook
from gantry.board.turns import TurnMemory
from gantry.core.api_key import holds_key
from gantry.core.errors import GatewayError, InternalError, InvalidRequest, Overloaded, PayloadTooLarge
from gantry.core.ids import ENTROPY_BITS, format_id
from gantry.core.secret import Secret
from gantry.dial.origin import parse_base_url
from gantry.dial.pool import Dialler, Pool
from gantry.gateway.allowance import Allowance
from gantry.gateway.headers import encode_hops
from gantry.gateway.health import Health
from gantry.gateway.kept_rates import KeptRates
from gantry.gateway.limits import WorkerLimits
from gantry.gateway.purse import Purses
from gantry.gateway.stage import Deadlines, deadlines_of
from gantry.journal.frames import FrameKind
from gantry.journal.writer import JournalFull, JournalWriter
from gantry.routing.plan import Attempt, Route, Wish
from gantry.routing.resolve import find_route
from gantry.routing.snapshot import KeyRecord, Snapshot

_getrandbits: Final = random.getrandbits
_MAX_HELD_TOKENS: Final = 20_000
_MAX_REMEMBERED: Final = 10_000
_MAX_REMEMBERED_SIZE: Final = 512  # of what callers name; longer names are looked up each time


class Watched(Protocol):
    """A call under way, as the worker's tick sees it."""

    def check(self, now: float) -> None:
        """Act on a deadline that has passed."""

    def refuse(self, error: GatewayError) -> None:
        """End with an error of ours."""


class Ticking(Protocol):
    """A client's connection, as the worker's tick sees it."""

    def tick(self, now: float) -> None:
        """Close what is slow or idle for too long."""

    def abort(self) -> None: ...


class Account(NamedTuple):
    """A service account by its JSON key. One that a caller brings reaches no private address, as nothing of theirs."""

    key: Secret
    is_callers: bool


class TokenDesk(Protocol):
    """Where the access tokens of service accounts are bought (`gateway/authority.py`)."""

    def token(self, account: Account) -> str: ...
    def wait(self, account: Account, waiting: Callable[[GatewayError | None], None]) -> None: ...


class Departure(NamedTuple):
    """How a request to a deployment begins, and over which connections it goes."""

    target: bytes  # method and path
    lines: bytes  # Host and the credential
    pool: Pool
    counts_hops: bool = False  # the credential is a key of Gantry's, and so what it opens is a gateway

    def after(self, hops: int) -> "Departure":
        """Return how a request begins that has passed so many gateways."""
        return self._replace(lines=self.lines + encode_hops(hops)) if self.counts_hops else self


class WorkerState:
    """The worker's one instance. `now` is a coarse monotonic clock, moved on by the worker's tick."""

    __slots__ = (
        "_departures",
        "_routes",
        "_tokens",
        "answers",
        "book",
        "bytes_held",
        "bytes_out",
        "cached_by_rule",
        "calls",
        "clients",
        "deadlines",
        "desk",
        "dialler",
        "draining",
        "draw",
        "era",
        "health",
        "hedges",
        "journal",
        "kept_rates",
        "limits",
        "now",
        "pepper",
        "purses",
        "slot",
        "snapshot",
        "stale",
        "turns",
        "unwritten",
    )

    def __init__(
        self,
        limits: WorkerLimits,
        pepper: bytes,
        journal: JournalWriter,
        slot: Slot,
        dialler: Dialler,
        book: ResourceBook,
        kept_rates: KeptRates,
        turns: TurnMemory,
        health: Health,
        answers: AnswerCache,
        purses: Purses,
    ) -> None:
        self.limits = limits
        self.deadlines: Deadlines = deadlines_of(limits)
        self.health = health
        self.hedges = Allowance()
        self.pepper = pepper
        self.journal = journal
        self.slot = slot
        self.dialler = dialler
        self.book = book
        self.kept_rates = kept_rates
        self.turns = turns
        self.answers = answers
        self.purses = purses
        self.cached_by_rule = False  # an organization uses the response cache for calls that do not ask for it
        self.desk: TokenDesk  # the worker's, which needs this state
        self.snapshot: Snapshot | None = None
        self.stale = False  # the snapshot is older than the setting allows
        self.era = 0  # of the snapshot, to know what was concluded under another
        self.draining = False
        self.unwritten: deque[bytes] = deque()  # close frames that the journal refused, to be written when it has room
        self.bytes_held = 0
        self.bytes_out = 0
        self.now = time.monotonic()
        self.draw = random.random
        self.calls: set[Watched] = set()
        self.clients: set[Ticking] = set()
        self._tokens: dict[bytes, KeyRecord] = {}
        self._routes: dict[Wish, Route] = {}
        self._departures: dict[tuple[str, str, str], Departure] = {}

    def expect(self, size: int, held: int) -> None:
        """Raise GatewayError when so many more bytes of a body are not going to be taken, beside those it has here."""
        limits = self.limits
        if held + size > limits.max_body_bytes:
            raise PayloadTooLarge(f"the body is longer than the {limits.max_body_bytes} bytes accepted")
        if self.bytes_held + size > limits.max_bytes_held:
            raise Overloaded("too many request bodies are held in memory; try again", retry_after=1)

    def hold(self, size: int, held: int) -> int:
        """Take so many more bytes of a body into memory, and return what it has then. Raises GatewayError."""
        self.expect(size, held)
        self.bytes_held += size
        return held + size

    def swap(self, snapshot: Snapshot) -> None:
        """Route by another snapshot from now on. Calls under way go on by the one they were planned with."""
        self.snapshot = snapshot
        self.era += 1
        self.stale = False
        self.purses.swap(snapshot)
        if self.purses.spend:
            self.kept_rates.want()
        self.cached_by_rule = any(rules.cache.enabled for rules in snapshot.body.routing_rules.values())
        self._tokens.clear()
        self._routes.clear()
        self._departures.clear()

    def watch_age(self, now_ns: int) -> None:
        """Stop admitting once the snapshot is too old (`max_snapshot_age`): a key revoked since would still pass."""
        limit, snapshot = self.limits.max_snapshot_age, self.snapshot
        self.stale = limit is not None and snapshot is not None and now_ns - snapshot.body.published_at > limit * 1e9
        if self.stale:
            self._tokens.clear()  # so that every key is looked up, and refused

    def held_key(self, shown: bytes) -> KeyRecord | None:
        return self._tokens.get(shown)

    def hold_key(self, shown: bytes, key: KeyRecord) -> None:
        if len(shown) > _MAX_REMEMBERED_SIZE:
            return
        if len(self._tokens) >= _MAX_HELD_TOKENS:
            self._tokens.clear()
        self._tokens[shown] = key

    def find_route(self, wish: Wish) -> Route:
        """Return the route of a wish under the current snapshot, remembered. Raises GatewayError."""
        route = self._routes.get(wish)
        if route is None:
            if self.snapshot is None:
                raise InternalError("this worker has no configuration yet")
            route = find_route(self.snapshot, wish)
            if len(wish.model or "") + len(wish.path) + len(wish.pinned or "") > _MAX_REMEMBERED_SIZE:
                return route
            if len(self._routes) >= _MAX_REMEMBERED:
                self._routes.clear()  # model names come from callers, so they must not add up
            self._routes[wish] = route
        return route

    def departure(self, method: str, attempt: Attempt, *, stream: bool = False) -> Departure:
        """Return where an attempt sets out from; remembered per credential and path, but not for a caller's own."""
        path = attempt.path(stream=stream)
        key = (method, attempt.credential.credential_id, path)
        departure = None if attempt.callers_credential else self._departures.get(key)
        if departure is None:
            departure = self._find_departure(method, attempt, path)
            short = len(path) <= _MAX_REMEMBERED_SIZE
            if short and not attempt.callers_credential and len(self._departures) < _MAX_REMEMBERED:
                self._departures[key] = departure
        return departure

    def _find_departure(self, method: str, attempt: Attempt, path: str) -> Departure:
        # Only a URL that the operator stored may lead to a private address.
        try:
            base = parse_base_url(attempt.base_url, private=not attempt.callers_credential)
        except ValueError:
            if not attempt.callers_credential:
                raise
            # Its words show the address, which may hold a secret.
            words = "the address of the credentials must be https://, a host and at most a path, as ASCII"
            raise InvalidRequest(words, param="customer_credentials") from None
        lines = f"host: {base.origin.authority}\r\n{attempt.auth_lines()}"  # a proof of its own comes per request
        target, pool = f"{method} {base.path}{path}".encode(), self.dialler.pool(base.origin)
        return Departure(target, lines.encode(), pool, holds_key(lines))

    def write_unwritten(self) -> None:
        """Write the close frames that the journal had no room for."""
        while self.unwritten:
            try:
                self.journal.append(FrameKind.CALL_CLOSED, self.unwritten[0])
            except JournalFull:
                return
            self.unwritten.popleft()

    def new_log_id(self, unix_ns: int) -> str:
        return format_id(unix_ns // 1_000_000, _getrandbits(ENTROPY_BITS))
