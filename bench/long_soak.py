"""The long soak: at half of what the machine can do, while an operator keeps house, looked at every five seconds.

Law: its calls are the soak's, with a probe and a guest more; what must hold of the soak must hold of all three.
Capacity is that of the whole machine, clients and providers included, for they share its CPUs with the gateway.
"""

import os
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.children import Child, ChildError
from bench.course import Capacity, Course, Sample, Watch, number_of
from bench.faulty import Behaviour
from bench.household import GUEST, Household
from bench.ledger import Ledger
from bench.probe import Findings
from bench.riders import End, Tally, Trip, together
from bench.soak import (
    CREDENTIALS,
    EVENTS,
    FAULTS,
    LEAVING,
    LONG,
    LONGEST_STREAM,
    RULES,
    Remains,
    await_nothing,
    count_remains,
)
from bench.stand import Stand
from bench.workshop import Workshop
from gantry.board.board import CLERK_SLOT, SUPERVISOR_SLOT, Board, Word
from gantry.home import Home

_PROBED: Final = "groq"
_ALL: Final = {**CREDENTIALS, "probe": (_PROBED, 1.0), "guest": (GUEST, 1.0)}
_OTHER_RULES: Final[dict[str, Any]] = {**RULES, "retries": {"num_retries": 2, "retry_after": 0.3}}
_PROBE_FIRST: Final = 70_000_000  # number of the first call
_FIRST_TOKEN: Final = 0.2
_EVERY: Final = 5.0
_SOME: Final = 400  # streams by which capacity is measured
_ROUNDS: Final = 2  # lengths of a stream for which that is done
_LEAST_KEPT, _MOST_KEPT = 8.0, 600.0  # seconds of logs
_LEAST_PAUSE, _MOST_PAUSE = 1.0, 20.0  # between two jobs of the household


def long_soak(shop: Workshop, seconds: float, streams: int | None) -> tuple[Remains, Course]:
    """Play it with so many streams, or with those that take half of what the machine can do."""
    length = min(LONGEST_STREAM, seconds / 10)
    capacity = _measure_capacity(shop, length)
    streams = streams or max(round(capacity.streams / 2), 1)
    stand = Stand(shop, _ALL, workers=2)
    stand.rule(RULES)
    kind = Behaviour(first_token=0.1, pace=0.02)
    stand.behave(**dict.fromkeys(CREDENTIALS, _faulty(length)), probe=Behaviour(first_token=0), guest=kind)
    pause = min(max(seconds / 60, _LEAST_PAUSE), _MOST_PAUSE)
    keep = min(max(seconds / 4, _LEAST_KEPT), _MOST_KEPT)
    household = Household(shop, stand, (RULES, _OTHER_RULES), pause=pause, keep=keep)
    probe = shop.helper("probe")
    watch = Watch(stand.gantry.home, _processes(stand))
    ledger = Ledger(stand.gantry.home / "logs.db")
    before = watch.descriptors()
    stand.begin(
        Trip(
            port=stand.port,
            key=stand.key,
            events=EVENTS,
            lanes=streams,
            seconds=seconds,
            stagger=min(10.0, seconds / 4),
            leaving=LEAVING,
            leaves_within=length,
        )
    )
    probe.write_line(msgspec.json.encode(_probing(stand)))
    started = time.monotonic()
    household.begin(started)
    samples, found = _watch_on(stand, watch, ledger, probe, started, seconds)
    guests = household.end()
    found.append(_ask(probe, b"end"))
    tally = together([stand.tally(120), guests, _tally_of(found)])
    shop.children.stop(probe)
    stand.gantry.wait_for_clerk(300)
    long = seconds >= LONG
    board, connections = await_nothing(stand, idle=long, beside=len(stand.slots()))
    after = watch.descriptors() if long else None
    workers = [name for name in samples[0].rss if name.startswith("worker")]
    course = Course(
        seconds=seconds,
        capacity=capacity,
        streams=streams,
        samples=samples,
        deeds=household.deeds,
        stored=ledger.stored(),
        rows=0,
        open_before=before,
        open_after=after,
        probe_calls=sum(one.calls for one in found),
        probe_failures=[one.first_failure for one in found if one.failed],
        restarts=Board(Home(stand.gantry.home).board).slot(SUPERVISOR_SLOT)[Word.RESTARTS],
    )
    ends = [course.ends(number_of("rss", name)) for name in workers]
    early, late = ([round(pair[number]) for pair in ends] for number in (0, 1))
    remains = count_remains(stand, ledger, tally, board, connections, early, late)
    stand.stop()
    return remains, msgspec.structs.replace(course, rows=ledger.rows)


def write_course(course: Course, remains: Remains, target: Path, command: str, setting: str) -> None:
    """Write TARGET.md with the tables, and the graphs beside it in the folder TARGET."""
    target.mkdir(parents=True, exist_ok=True)
    name = f"A soak of {course.seconds / 60:.3g} minutes at {course.streams:,} streams"
    (target / "soak.svg").write_text(course.graphs(name))
    page = [
        "# A soak, with a household",
        f"`{command}`, {setting}.",
        f"![{name}]({target.name}/soak.svg)",
        _HOW,
        "\n".join(remains.lines()),
        "\n".join(course.lines()),
    ]
    target.with_suffix(".md").write_text("\n\n".join(page) + "\n")


def _measure_capacity(shop: Workshop, length: float) -> Capacity:
    """Return how many streams take all CPUs, by what some spend while others begin and end among them."""
    stand = Stand(shop, CREDENTIALS, workers=2)
    stand.rule(RULES)
    stand.behave(**dict.fromkeys(CREDENTIALS, _faulty(length)))
    seconds = length * (1 + _ROUNDS)
    stand.begin(Trip(port=stand.port, key=stand.key, events=EVENTS, lanes=_SOME, seconds=seconds, stagger=length))
    time.sleep(length)
    began, before = time.monotonic(), stand.cpu_seconds()
    time.sleep(length * _ROUNDS)
    share = (stand.cpu_seconds() - before) / (time.monotonic() - began) / len(os.sched_getaffinity(0))
    tally = stand.tally(120)
    stand.stop()
    return Capacity(_SOME / share, tally.calls / seconds / share)


def _faulty(length: float) -> Behaviour:
    return Behaviour(FAULTS, first_token=_FIRST_TOKEN, slow=2.0, events=EVENTS, pace=length / EVENTS)


def _watch_on(
    stand: Stand, watch: Watch, ledger: Ledger, probe: Child, started: float, seconds: float
) -> tuple[list[Sample], list[Findings]]:
    """Look until the time is over."""
    clerk = Board(Home(stand.gantry.home).board).slot(CLERK_SLOT)
    every = min(_EVERY, seconds / 20)
    samples: list[Sample] = []
    found: list[Findings] = []
    due = started + every
    while due <= started + seconds:
        time.sleep(max(due - time.monotonic(), 0))
        ledger.follow()
        found.append(_ask(probe, b""))
        at = time.monotonic() - started
        try:
            samples.append(
                watch.look(at, lag=clerk[Word.LAG], rows=ledger.rows, left=ledger.stored().rows, waits=found[-1].waits)
            )
        except FileNotFoundError as error:
            raise ChildError(f"a process of the gateway has ended after {at:.0f} s: {error.filename}") from error
        due += every
    return samples, found


def _processes(stand: Stand) -> dict[str, int]:
    status = stand.gantry.status()
    processes = {"supervisor": status["supervisor"]["pid"]}
    processes |= {f"worker {number}": worker["pid"] for number, worker in enumerate(status["workers"])}
    return processes | {name: status[name]["pid"] for name in ("clerk", "console")}


def _probing(stand: Stand) -> Trip:
    return Trip(port=stand.port, key=stand.key, model=f"{_PROBED}/llama-3.1-8b-instant", first=_PROBE_FIRST)


def _ask(probe: Child, line: bytes) -> Findings:
    probe.write_line(line)
    return msgspec.json.decode(probe.read_line(90), type=Findings)


def _tally_of(found: list[Findings]) -> Tally:
    calls, failed = sum(one.calls for one in found), sum(one.failed for one in found)
    return Tally(
        calls=calls, ends={End.ANSWERED: calls - failed, End.BROKEN: failed}, first_tokens=[], first_failure=""
    )


_HOW: Final = f"""\
Capacity was measured first: {_SOME} streams at a time as the soak's, and what they took of the CPUs, gateway, clients
and providers together. Half of the streams that would take all of it are played. The probe calls ten times a second a
deployment that answers at once. Retention keeps a quarter of the time, ten minutes at most, and each sweep but those of
full hours is made as the clerk of another machine would make it."""
