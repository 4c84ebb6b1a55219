"""Calls in virtual time: itineraries and the health of deployments as workers have them, before providers that are
functions of the time.

Law: a seed and a clock that nothing but this moves, so a run is the same on every machine. What is real here is what
decides: `routing.itinerary`, and `gateway.health` over one file that all workers of the run share.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from gantry.board.health import HealthBook
from gantry.core.vocabulary import Dialect, Operation, Tier
from gantry.gateway.health import Health
from gantry.gateway.kept_rates import KeptRates
from gantry.providers.spec import custom_spec
from gantry.routing.balance import Ties
from gantry.routing.itinerary import Itinerary, Step, StepKind
from gantry.routing.plan import Attempt, Plan, Route
from gantry.routing.snapshot import CredentialRecord
from gantry.routing.verdict import judge

_BEGINNING: Final = 1000.0  # of the clock, in seconds: a moment of 0 means never
_WATCH_SECONDS: Final = 0.25  # the worker's tick
_FAILED: Final = 400
_SPEC: Final = custom_spec("acme", "Acme", "https://acme.test")


class Reply(NamedTuple):
    """What a provider makes of a request: its status after so many seconds, and the first byte before them."""

    seconds: float
    status: int | None = 200
    first_byte: float | None = None  # where it is not at the end
    retry_after: float | None = None


class Tried(NamedTuple):
    """One attempt: who was asked, when, until when, and what came of it."""

    name: str
    kind: StepKind
    at: float
    ended: float
    status: int | None


@dataclass
class Ride:
    """One call. `tokens` is what its provider reads, and `conversation` what it belongs to."""

    at: float
    conversation: bytes | None = None
    tokens: int = 0
    cached: int = 0  # of the tokens: what the provider had read before
    attempts: list[Tried] = field(default_factory=list)

    @property
    def served(self) -> str | None:
        """The deployment that answered; None where the caller got an error."""
        last = self.attempts[-1]
        return last.name if last.status is not None and last.status < _FAILED else None

    @property
    def waited(self) -> float:
        return self.attempts[-1].ended - self.at


Provider = Callable[[float, Ride, Random], Reply]


class World:
    """Workers of one machine, their deployments' shared health, and the time."""

    def __init__(
        self,
        folder: Path,
        providers: Mapping[str, Provider],
        *,
        seed: int = 1,
        workers: int = 1,
        prices: Mapping[str, int] | None = None,
    ) -> None:
        self.now = 0.0
        self.chance = Random(seed)
        self._providers = providers
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._noted = 0
        path = folder / "health"
        path.unlink(missing_ok=True)
        self.books = [HealthBook(path) for _ in range(workers)]
        self.workers = [_PricedHealth(book, KeptRates(folder), prices) for book in self.books]
        for worker in self.workers:
            worker.clock = self._clock

    def close(self) -> None:
        for book in self.books:
            book.close()

    def run(self, plan: Plan, arrivals: Iterable[Ride]) -> list[Ride]:
        """Let these calls happen, taken by the workers in turn, and return them once all are over."""
        rides = list(arrivals)
        for number, ride in enumerate(rides):
            worker = self.workers[number % len(self.workers)]
            self._at(ride.at, partial(self._begin, plan, ride, worker))
        last = max((ride.at for ride in rides), default=self.now)
        self._watch(last)
        while self._agenda:
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        return rides

    def until(self, deployment: Attempt) -> float:
        """Return when a deployment that is cooling may be tried again."""
        return self.books[0].standing(deployment.deployment_id).until / 1000 - _BEGINNING

    def _clock(self) -> float:
        return _BEGINNING + self.now

    def _at(self, moment: float, action: Callable[[], None]) -> None:
        self._noted += 1
        heapq.heappush(self._agenda, (moment, self._noted, action))

    def _watch(self, last: float) -> None:
        for worker in self.workers:
            worker.watch()
        if self.now <= last:
            self._at(self.now + _WATCH_SECONDS, partial(self._watch, last))

    def _begin(self, plan: Plan, ride: Ride, worker: Health) -> None:
        ties, draw = Ties(ride.conversation), self.chance.random
        itinerary = Itinerary(plan, worker, draw, ties=ties, may_retry=worker.may_retry)
        step = itinerary.begin()
        assert step is not None, "a plan with a weight begins somewhere"
        self._depart(ride, worker, itinerary, step)

    def _depart(self, ride: Ride, worker: Health, itinerary: Itinerary, step: Step) -> None:
        attempt = step.drawn.attempt
        worker.begin(attempt, retry=step.kind is StepKind.RETRY)
        reply = self._providers[attempt.credential.name](self.now, ride, self.chance)
        self._at(self.now + reply.seconds, partial(self._arrive, ride, worker, itinerary, step, self.now, reply))

    def _arrive(
        self, ride: Ride, worker: Health, itinerary: Itinerary, step: Step, started: float, reply: Reply
    ) -> None:
        attempt, began = step.drawn.attempt, int((_BEGINNING + started) * 1000)
        ride.attempts.append(Tried(attempt.credential.name, step.kind, started, self.now, reply.status))
        if reply.status is not None and reply.status < _FAILED:
            worker.note_success(attempt, began)
            worker.end(attempt, reply.seconds if reply.first_byte is None else reply.first_byte)
            return
        kind = judge((), reply.status)
        further = itinerary.after(attempt, kind, reply.retry_after)
        worker.note_failure(attempt, kind, began, reply.status, reply.retry_after)
        worker.end(attempt, None)
        if further is not None:
            self._at(self.now + further.pause, partial(self._depart, ride, worker, itinerary, further))


class _PricedHealth(Health):
    """Health with a list price for some deployments, by name."""

    __slots__ = ("_listed",)

    def __init__(self, book: HealthBook, kept_rates: KeptRates, prices: Mapping[str, int] | None) -> None:
        super().__init__(book, kept_rates)
        self._listed = prices or {}

    def price(self, attempt: Attempt) -> int | None:
        return self._listed.get(attempt.credential.name)


def deployment(name: str, weight: float = 1.0, model: str = "model") -> Attempt:
    """Return a deployment without a catalogue."""
    route = Route(
        provider=_SPEC,
        upstream_model=model,
        path="/v1/chat/completions",
        dialect=Dialect.OPENAI_CHAT,
        tier=Tier.RELAY,
        candidates=(),
        missing="",
        names=(model,),
        request_id_headers=(),
        operation=Operation.CHAT,
    )
    record = CredentialRecord(name, "o1", "acme", name, "https://acme.test", {}, weight)
    return Attempt(route, record, False, model, weight)


def arrivals(count: int, rate: float, chance: Random, start: float = 0.0) -> list[Ride]:
    """Return calls that come by themselves, so many a second on average."""
    rides, moment = [], start
    for _ in range(count):
        moment += chance.expovariate(rate)
        rides.append(Ride(moment))
    return rides


def well(seconds: float = 0.2) -> Provider:
    """Return a provider that answers, after about so long."""
    return lambda now, ride, chance: Reply(seconds * (0.5 + chance.random()))


def failing_between(start: float, end: float, status: int, seconds: float = 0.2) -> Provider:
    """Return a provider that fails each request from one moment to another."""
    good = well(seconds)

    def provider(now: float, ride: Ride, chance: Random) -> Reply:
        return Reply(seconds / 4, status) if start <= now < end else good(now, ride, chance)

    return provider


def shares(rides: Iterable[Ride], start: float, end: float) -> dict[str, float]:
    """Return the share of each deployment in the calls of an interval that were answered, in per cent."""
    served = [ride.served for ride in rides if start <= ride.at < end]
    answered = [name for name in served if name is not None]
    return {name: 100 * answered.count(name) / len(answered) for name in sorted(set(answered))}


def reached(rides: Sequence[Ride], name: str) -> list[Tried]:
    """Return the attempts at a deployment, in the order in which they began."""
    tried = [one for ride in rides for one in ride.attempts if one.name == name]
    return sorted(tried, key=lambda one: one.at)
