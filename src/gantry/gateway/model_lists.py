"""What providers listed, remembered for a minute, and the questions under way, which all who wait for one share.

Law: one answer per credential, so that nobody sees what another account was told. Bounded in bytes, and empty after a
swap of the snapshot: what was concluded under another configuration is nobody's any more. Failures are not remembered.
"""

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from gantry.core.errors import GatewayError, InternalError, UpstreamFault
from gantry.core.vocabulary import Outcome
from gantry.dialects.models import ModelCard, Owner, read_cards
from gantry.gateway.fetch import Fetch, Fetched, outcome_of
from gantry.gateway.known_models import KnownModels
from gantry.gateway.state import WorkerState
from gantry.providers.spec import ProviderSpec
from gantry.routing.plan import Attempt

logger = logging.getLogger(__name__)

REMEMBERED_SECONDS: Final = 60.0
_PATIENCE: Final = 10.0  # a list is not worth a longer wait; generations may take minutes
_MAX_KEPT_BYTES: Final = 16 * 1024 * 1024
_MAX_KEPT_LISTS: Final = 1024
_OWN_FAULT: Final = "a fault inside the gateway; its log has the details"

Cards = tuple[ModelCard, ...]


class Asker(Protocol):
    """Whoever waits for a list."""

    def on_listed(self, inquiry: "Inquiry") -> None: ...
    def refuse(self, error: GatewayError) -> None: ...


class _Kept(NamedTuple):
    cards: Cards
    size: int
    until: float


class ModelLists:
    """The memory of a worker."""

    __slots__ = ("_era", "_kept", "_size", "_under_way", "known", "state")

    def __init__(self, state: WorkerState) -> None:
        self.state = state
        self.known = KnownModels(state.kept_rates)
        self._era = state.era
        self._kept: dict[str, _Kept] = {}  # by credential, the oldest first
        self._size = 0
        self._under_way: dict[tuple[str, int], Inquiry] = {}

    def remembered(self, attempt: Attempt) -> Cards | None:
        """Return what a deployment listed within the last minute, under this snapshot."""
        if self._era != self.state.era:
            self._era = self.state.era
            self._kept.clear()
            self._size = 0
            self._under_way.clear()  # whoever waits for one of them still hears of it
        kept = self._kept.get(attempt.credential.credential_id)
        return kept.cards if kept is not None and self.state.now < kept.until else None

    def inquire(self, attempt: Attempt, hops: int) -> "Inquiry":
        """Return the question to a deployment that is under way, or a new one; `join` it.

        What came over another gateway is a question of its own: it must not wait for the one that it is a part of.
        """
        name = attempt.credential.credential_id, hops
        inquiry = self._under_way.get(name)
        if inquiry is None:
            inquiry = self._under_way[name] = Inquiry(self, attempt, hops)
        return inquiry

    def forget(self, inquiry: "Inquiry") -> bool:
        """Take a question off the books. Say whether it was on them: one of an earlier snapshot is not."""
        name = inquiry.attempt.credential.credential_id, inquiry.hops
        current = self._under_way.get(name) is inquiry
        if current:
            del self._under_way[name]
        return current

    def keep(self, attempt: Attempt, cards: Cards) -> None:
        name = attempt.credential.credential_id
        self._drop(name)
        kept = self._kept[name] = _Kept(cards, sum(card.size for card in cards), self.state.now + REMEMBERED_SECONDS)
        self._size += kept.size
        while self._size > _MAX_KEPT_BYTES or len(self._kept) > _MAX_KEPT_LISTS:
            self._drop(next(iter(self._kept)))

    def _drop(self, name: str) -> None:
        kept = self._kept.pop(name, None)
        self._size -= kept.size if kept is not None else 0


class Inquiry:
    """One question to one deployment, and what came of it: cards, or an error."""

    __slots__ = (
        "_askers",
        "_fetch",
        "_lists",
        "attempt",
        "cards",
        "connect_time",
        "error",
        "hops",
        "host",
        "started_at",
        "status",
    )

    def __init__(self, lists: ModelLists, attempt: Attempt, hops: int) -> None:
        state = lists.state
        self._lists = lists
        self._askers: list[Asker] = []
        self.attempt = attempt
        self.hops = hops
        departure = state.departure("GET", attempt).after(hops)
        self.host = departure.pool.origin.host
        self._fetch = Fetch(state, departure, min(_PATIENCE, state.limits.first_byte_timeout), self._on_fetched)
        self.started_at = self._fetch.started_at
        self.cards: Cards = ()
        self.error: GatewayError | None = None
        self.status: int | None = None
        self.connect_time: float | None = None

    @property
    def outcome(self) -> Outcome:
        return Outcome.SUCCESS if self.error is None else outcome_of(self.error)

    def join(self, asker: Asker) -> None:
        """Wait for the answer: the asker hears `on_listed` once, perhaps before this returns."""
        self._askers.append(asker)
        if len(self._askers) == 1:
            self._fetch.start()

    def leave(self, asker: Asker) -> None:
        """Wait no more. A question that nobody waits for is withdrawn."""
        self._askers.remove(asker)
        if not self._askers:
            self._lists.forget(self)
            self._fetch.cancel()

    def _on_fetched(self, fetched: Fetched) -> None:
        self.status = fetched.status
        self.connect_time = fetched.connect_time
        read = functools.partial(_read, fetched, self.attempt, self._lists.known)
        if fetched.error is not None or fetched.status != 200:
            self._conclude(read)
            return
        # A list may have thousands of models, and their prices are looked for by patterns: not on the loop.
        reading = asyncio.get_running_loop().run_in_executor(None, read)
        reading.add_done_callback(self._on_read)

    def _on_read(self, reading: "asyncio.Future[Cards]") -> None:
        if not reading.cancelled():
            self._conclude(reading.result)

    def _conclude(self, read: Callable[[], Cards]) -> None:
        try:
            self.cards = read()
        except GatewayError as error:
            self.error = error
        except Exception:  # the boundary of an inquiry: whoever waits for it must hear of it
            logger.exception("the models of %s could not be read", self.host)
            self.error = InternalError(_OWN_FAULT)
        if self._lists.forget(self) and self.error is None:
            self._lists.keep(self.attempt, self.cards)
        askers, self._askers = self._askers, []
        for asker in askers:
            try:
                asker.on_listed(self)
            except Exception:  # the boundary of a call: its fault must not be that of others who wait
                logger.exception("a list of models failed inside the gateway")
                asker.refuse(InternalError(_OWN_FAULT))


def owner_of(provider: ProviderSpec) -> Owner:
    return Owner(provider.id, provider.name, tuple(field.name for field in provider.fields))


def _read(fetched: Fetched, attempt: Attempt, known: KnownModels) -> Cards:
    """Return the cards in what was fetched. Raises GatewayError."""
    provider, credential = attempt.route.provider, attempt.credential
    if fetched.error is not None:
        raise fetched.error
    if fetched.status != 200:
        raise UpstreamFault(
            f"{provider.name} answered {fetched.status} when asked for its models with the credential {credential.name}"
        )
    cards = read_cards(fetched.body, owner_of(provider), known.hints(provider.id))
    if credential.organization_id is None:
        return tuple(card for card in cards if not card.fine_tuned)  # an account's own models are not everybody's
    return cards
