"""What deadlines and hedges do for callers, through a real worker before providers that stall and dawdle.

Law: the same calls meet the same fates in each round, see `bench.faulty`; what a provider takes is large against what a
busy machine adds.
"""

from collections.abc import Mapping
from typing import Any, Final

from bench import balancing
from bench.balancing import table
from bench.faulty import Behaviour, Fate
from bench.riders import End, Tally, Trip
from bench.stand import Stand
from bench.workshop import Workshop

_CALLS: Final = 2_000
_LANES: Final = 40
_PATIENCE: Final = 5.0  # seconds that a client waits for the first token
_STALLING: Final = Behaviour({Fate.STALLS: 0.05}, first_token=0.1)
# The fastest 96 % take 30 to 90 ms, the others 400 to 1,200: p99 is 17 times p50.
_DAWDLING: Final = Behaviour({Fate.SLOW: 0.04}, first_token=0.06, slow=0.8)
_SLOW: Final = Behaviour({Fate.SLOW: 1.0}, slow=0.8)
_ALONE: Final = {"load_balance_group": {"group_id": "alone"}}
_MODEL: Final = "mistral-small-latest"


def pages(shop: Workshop) -> list[str]:
    """Return the pages of all scenarios of routing."""
    found = balancing.pages(shop.folder)
    stand = Stand(shop, {"one": ("mistral", 1.0), "two": ("mistral", 1.0)})
    found += [deadlines(stand), hedges(stand)]
    stand.stop()
    return found


def deadlines(stand: Stand) -> str:
    """5 % of the streams stall before their first token."""
    rows = []
    for timeout in (None, 1.0):
        for fields, words in ((_ALONE, "one"), ({}, "two")):
            stand.rule(_rules(first_token_timeout=timeout))
            stand.behave(one=_STALLING, two=_STALLING)
            tally = _travel(stand, fields)
            rows.append([f"{words}, {'no deadline' if timeout is None else f'{timeout:g} s'}", *_times(tally)])
    head = ("deployments, first_token_timeout", "p50 to the first token", "p99", "errors for callers")
    return table(f"First-token deadline, {_CALLS:,} streams of which 5 % stall", head, rows)


def hedges(stand: Stand) -> str:
    """A heavy tail, with and without a second attempt after the p95; then everything is slow."""
    rows = []
    hedge = {"after": 0.1, "share": 0.05}
    for behaviour, words in ((_DAWDLING, "a heavy tail"), (_SLOW, "all are slow")):
        for rule, how in ((None, "no hedge"), (hedge, "hedge after 0.1 s, 5 %")):
            stand.rule(_rules(hedge=rule))
            stand.behave(one=behaviour, two=behaviour)
            before = stand.asked()
            tally = _travel(stand, {})
            more = 100 * (stand.asked() - before) / tally.calls - 100
            rows.append([f"{words}, {how}", *_times(tally), f"{more:.1f} %"])
    head = ("", "p50 to the first token", "p99", "errors for callers", "more requests upstream")
    return table(f"Hedging, {_CALLS:,} streams", head, rows)


def _rules(**rule: Any) -> Mapping[str, Any]:
    said = {name: value for name, value in rule.items() if value is not None}
    groups = [{"id": "alone", "members": [{"model": f"mistral/{_MODEL}", "credential": "one"}]}]
    return {"groups": groups, "models": [{"match": "*", **said}]}


def _travel(stand: Stand, fields: Mapping[str, Any]) -> Tally:
    trip = Trip(
        port=stand.port, key=stand.key, fields=dict(fields), lanes=_LANES, calls=_CALLS, patience=_PATIENCE, stagger=0.5
    )
    return stand.travel(trip)


def _times(tally: Tally) -> list[str]:
    """Return p50 and p99 of the time to the first token, and the calls without an answer, in per cent."""
    times = tally.first_tokens
    p50, p99 = (times[min(int(len(times) * share), len(times) - 1)] for share in (0.5, 0.99))
    errors = tally.calls - tally.ends.get(End.ANSWERED, 0)
    return [f"{p50 * 1000:.0f} ms", f"{p99 * 1000:.0f} ms", f"{100 * errors / tally.calls:.1f} %"]
