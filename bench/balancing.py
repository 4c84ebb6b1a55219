"""Where calls go, in virtual time: weights while deployments die and return, strategies, and conversations that stay.

Law: as `bench.virtual`: the same figures on every machine. Each function returns a page of Markdown.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from msgspec import Raw

from bench.jobs import percentiles
from bench.virtual import (
    Provider,
    Reply,
    Ride,
    World,
    arrivals,
    deployment,
    failing_between,
    reached,
    shares,
    well,
)
from gantry.core.routing_rules import Affinity, Strategy
from gantry.dialects.conversation import conversation_key
from gantry.routing.plan import Choice, Plan

_WEIGHTS: Final = {"a": 5.0, "b": 3.0, "c": 1.0}
_CALLS: Final = 100_000
_RATE: Final = 100.0
_DIED: Final = 300.0
_END: Final = 1e9

_CONVERSATIONS: Final = 4_000
_TURNS: Final = 8
_BEGIN_WITHIN: Final = 10_800.0
_BETWEEN_TURNS: Final = 45.0
_SHARED, _OWN, _TURN = 1_000, 3_000, 400  # tokens: the instructions, a conversation's own matter, each turn
_KEPT: Final = 300.0  # seconds that a provider keeps a prefix after its last use
_OUTAGE: Final = (3_600.0, 5_400.0)


def pages(folder: Path) -> list[str]:
    """Return all pages."""
    return [weights(folder), strategies(folder), conversations(folder)]


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"**{title}**", "", f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def weights(folder: Path) -> str:
    """Deployments of weights 5, 3 and 1, of which one fails for a while; two workers."""
    plan = Plan((Choice("model", tuple(deployment(name, weight) for name, weight in _WEIGHTS.items())),))
    rows = []
    for status, cured in ((401, 460.0), (500, 400.0)):
        for dead in _WEIGHTS:
            providers = {name: well() for name in _WEIGHTS} | {dead: failing_between(_DIED, cured, status)}
            world = World(folder, providers, workers=2)
            rides = world.run(plan, arrivals(_CALLS, _RATE, Random(7)))
            world.close()
            rows.append([f"{dead} answers {status}", *_of_one_that_failed(rides, dead, cured)])
    head = (
        "of 100,000 calls",
        "before",
        "without it",
        "after",
        "its calls until it was left alone",
        "all calls until then",
        "probes that failed",
        "well again, noticed after",
        "errors for callers",
    )
    return table("Weights 5/3/1, shares in %: a/b/c", head, rows)


def _of_one_that_failed(rides: Sequence[Ride], dead: str, cured: float) -> list[str]:
    tried = reached(rides, dead)
    failures = [one for one in tried if _DIED <= one.at < cured]
    burst = [one for one in failures if one.at < failures[0].at + 2]
    back = next(one for one in tried if one.at >= cured)
    meanwhile = sum(_DIED <= ride.at <= burst[-1].at for ride in rides)
    errors = sum(ride.served is None for ride in rides)
    spans = ((0.0, _DIED), (burst[-1].ended, back.at), (back.ended, _END))
    met = ["/".join(f"{shares(rides, *span).get(name, 0):.1f}" for name in _WEIGHTS) for span in spans]
    probes = len(failures) - len(burst)
    return [*met, str(len(burst)), str(meanwhile), str(probes), f"{back.at - cured:.0f} s", str(errors)]


def strategies(folder: Path) -> str:
    """Three deployments of equal weight, of which one is ten times as slow; then prices of which some are unknown."""
    slow = {"a": well(2.0), "b": well(), "c": well()}
    rows = []
    for strategy in (Strategy.WEIGHTED, Strategy.LEAST_BUSY, Strategy.LEAST_LATENCY):
        rows.append(_by_strategy(folder, f"{strategy}, a is slow", strategy, slow, {}))
    same = {name: well() for name in "abc"}
    for prices in ({"a": 3, "b": 1, "c": 2}, {"a": 3}, {"a": 3, "c": 3}, {}):
        known = ", ".join(f"{name} {price}" for name, price in prices.items()) or "none known"
        rows.append(_by_strategy(folder, f"cheapest, prices: {known}", Strategy.CHEAPEST, same, prices))
    return table("Strategies, 20,000 calls", ("", "a %", "b %", "c %", "p50", "p99"), rows)


def _by_strategy(
    folder: Path, title: str, strategy: Strategy, providers: dict[str, Provider], prices: dict[str, int]
) -> list[str]:
    plan = Plan((Choice("model", tuple(deployment(name) for name in providers), strategy),))
    world = World(folder, providers, workers=2, prices=prices)
    rides = world.run(plan, arrivals(20_000, _RATE, Random(7)))
    world.close()
    times = percentiles([int(ride.waited * 1e9) for ride in rides])
    met = shares(rides, 0, _END)
    parts = [f"{met.get(name, 0):.1f}" for name in providers]
    return [title, *parts, f"{times.p50 / 1e6:.0f} ms", f"{times.p99 / 1e6:.0f} ms"]


class PromptCache:
    """A provider's: what it has read is cheap to read again, for five minutes after it was last read."""

    def __init__(self, down: tuple[float, float] | None = None) -> None:
        self._down = down or (0.0, 0.0)
        self._kept: dict[bytes, tuple[float, int]] = {}

    def __call__(self, now: float, ride: Ride, chance: Random) -> Reply:
        if self._down[0] <= now < self._down[1]:
            return Reply(0.05, 500)
        instructions = self._take(b"", now, _SHARED)
        own = self._take(ride.conversation or b"", now, ride.tokens - _SHARED)
        ride.cached = instructions + own
        return Reply(0.2 + 0.0002 * (ride.tokens - ride.cached))

    def _take(self, name: bytes, now: float, tokens: int) -> int:
        """Return how many of these tokens are cached, and keep them all."""
        used, kept = self._kept.get(name, (-_KEPT, 0))
        self._kept[name] = now, tokens
        return min(kept, tokens) if now - used < _KEPT else 0


def conversations(folder: Path) -> str:
    """Conversations of eight turns over three deployments, with and without affinity; in the middle, one fails."""
    rides = talk(Random(11))
    rows = []
    for affinity in (Affinity.NEVER, Affinity.AUTO):
        for outage in (None, _OUTAGE):
            played = play_conversations(folder, rides, affinity, outage)
            met = shares(played, 0, _END)
            balance = "/".join(f"{met.get(name, 0):.1f}" for name in _WEIGHTS)
            spans = ((0.0, _OUTAGE[0]), _OUTAGE, (_OUTAGE[1], _END))
            cached = [f"{cached_share(played, *span):.1f}" for span in spans]
            first = percentiles([int(ride.waited * 1e9) for ride in played])
            errors = str(sum(ride.served is None for ride in played))
            title = f"{affinity}, {'all well' if outage is None else 'a fails in the middle'}"
            rows.append([title, *cached, balance, f"{moved(played):.1f}", f"{first.p50 / 1e6:.0f} ms", errors])
    head = (
        "affinity",
        "cached % before",
        "cached % in the middle",
        "cached % after",
        "calls % a/b/c",
        "turns elsewhere than the one before, %",
        "p50",
        "errors",
    )
    return table("Conversations over weights 5/3/1", head, rows)


def talk(chance: Random) -> list[Ride]:
    """Return the turns of all conversations, each known by what a worker makes of its request."""
    rides = []
    instructions = {"role": "system", "content": "You answer questions about the matter below. " * 90}
    for number in range(_CONVERSATIONS):
        moment = chance.random() * _BEGIN_WITHIN
        messages = [instructions, {"role": "user", "content": f"The matter of {number}: {chance.random()} " * 30}]
        for turn in range(_TURNS):
            body = msgspec.json.encode(messages)
            key = conversation_key({"messages": Raw(body)}, len(body), "o1", always=False)
            rides.append(Ride(moment, key, _SHARED + _OWN + _TURN * turn))
            messages += [{"role": "assistant", "content": "So it is."}, {"role": "user", "content": f"And {turn}?"}]
            moment += chance.expovariate(1 / _BETWEEN_TURNS)
    return sorted(rides, key=lambda ride: ride.at)


def play_conversations(
    folder: Path, turns: Sequence[Ride], affinity: Affinity, outage: tuple[float, float] | None
) -> list[Ride]:
    """Let the turns happen, `a` being down for a while."""
    choice = Choice("model", tuple(deployment(name, weight) for name, weight in _WEIGHTS.items()), affinity=affinity)
    providers: dict[str, Callable[[float, Ride, Random], Reply]] = {
        name: PromptCache(outage if name == "a" else None) for name in _WEIGHTS
    }
    world = World(folder, providers, workers=2)
    played = world.run(Plan((choice,)), [Ride(turn.at, turn.conversation, turn.tokens) for turn in turns])
    world.close()
    return played


def cached_share(rides: Iterable[Ride], start: float, end: float) -> float:
    """Return how many of the tokens that were read in an interval came from a cache, in per cent."""
    some = [ride for ride in rides if start <= ride.at < end]
    return 100 * sum(ride.cached for ride in some) / sum(ride.tokens for ride in some)


def moved(rides: Iterable[Ride]) -> float:
    """Return the share of turns that were answered elsewhere than the turn before, in per cent."""
    last: dict[bytes | None, str | None] = {}
    turns = changes = 0
    for ride in rides:
        if ride.conversation in last:
            turns += 1
            changes += last[ride.conversation] != ride.served
        last[ride.conversation] = ride.served
    return 100 * changes / turns
