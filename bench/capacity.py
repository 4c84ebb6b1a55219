"""How many machines for so many calls a second, kept for so many days: costs measured apart, then added up.

`python -m bench.capacity --calls 500 --streamed 0.5 --events 80 --days 30` answers by the costs that are given, or by
those of this page. `--postgres URL` measures them on one node before that empty database, then runs two nodes under
other load and prints what the model says of them beside what they used. Law: the model adds and multiplies, nothing
else; what the check shows it to be wrong by is printed, not folded in.
"""

import argparse
import os
import secrets
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psycopg
from msgspec import Struct
from msgspec.structs import asdict

from bench.children import Children
from bench.gantry import Gantry, add_key_and_provider, gantry_environment, roads, serve
from bench.jobs import Job, Target, TargetResult
from bench.measure import cpu_ns, tree
from bench.systems import Road, fresh_folder, ready
from bench.traffic import Shape
from bench.workshop import Workshop
from compiled.build import CannotCompile, compiled_copy

_MICRO: Final = 1e6
_DAY: Final = 86_400
_HALF: Final = 0.5  # of a CPU's time: what is left is for bursts, the system and the other processes
_WHOLE: Final = Shape(delay=20_000)
_STREAM: Final = Shape(events=50, pace=10_000)


class Costs(Struct, frozen=True, kw_only=True):
    """Microseconds of CPU, and bytes. `idle` is what a node takes that nobody calls, in a second."""

    worker_call: float
    worker_event: float
    clerk_record: float
    clerk_event: float
    database_record: float
    database_event: float
    stored_bytes: float  # of a log, with its words and indexes
    worker_idle: float
    clerk_idle: float
    database_idle: float

    def lines(self) -> list[str]:
        return [f"{name.replace('_', ' '):<18} {value:10.1f}" for name, value in asdict(self).items()]


MEASURED: Final = Costs(  # on 2026-11-30, see docs/capacity.md
    worker_call=112.6,
    worker_event=19.9,
    clerk_record=85.1,
    clerk_event=6.2,
    database_record=92.6,
    database_event=4.6,
    stored_bytes=3909.3,
    worker_idle=5485.4,
    clerk_idle=9596.0,
    database_idle=1921.8,
)


class Demand(Struct, frozen=True, kw_only=True):
    """What is to be carried: calls a second at the busiest hour, and how many there are of them in a mean second."""

    calls: float
    streamed: float = 0.5  # the share of calls that are streams
    events: float = 80.0  # of a stream
    days: float = 30.0
    mean: float = 0.3  # of `calls`, over the day
    nodes: int = 1


class Plan(Struct, frozen=True, kw_only=True):
    """CPUs fully used, and bytes."""

    workers: float
    clerks: float
    database: float
    stored: float

    def lines(self, cpus: int) -> list[str]:
        gateways = (self.workers + self.clerks) / _HALF
        return [
            f"workers use {self.workers:.2f} CPUs, clerks {self.clerks:.2f}, the database {self.database:.2f}",
            f"half used, that is {gateways:.1f} CPUs of gateways: {_machines(gateways, cpus)} of {cpus} CPUs",
            f"and {self.database / _HALF:.1f} CPUs of the database, with {self.stored / 1e9:,.0f} GB of logs",
        ]


def plan(demand: Demand, costs: Costs) -> Plan:
    """Return what a demand takes."""
    calls, nodes = demand.calls, demand.nodes
    events = calls * demand.streamed * demand.events
    return Plan(
        workers=(calls * costs.worker_call + events * costs.worker_event + nodes * costs.worker_idle) / _MICRO,
        clerks=(calls * costs.clerk_record + events * costs.clerk_event + nodes * costs.clerk_idle) / _MICRO,
        database=(calls * costs.database_record + events * costs.database_event + nodes * costs.database_idle) / _MICRO,
        stored=calls * demand.mean * demand.days * _DAY * costs.stored_bytes,
    )


class Used(Struct, frozen=True, kw_only=True):
    """What some seconds of load took, in seconds of CPU."""

    calls: int
    events: int
    seconds: float
    workers: float
    clerks: float
    database: float


class Fleet:
    """Nodes of one worker before one database."""

    def __init__(self, shop: Workshop, url: str) -> None:
        self._shop = shop
        self._url = url
        self._environment = gantry_environment(shop) | {
            "GANTRY_DATABASE_URL": url,
            "GANTRY_MASTER_KEY": secrets.token_hex(32),
        }
        self._key = ""
        self.nodes: list[Gantry] = []

    def join(self) -> None:
        """Start one more node."""
        shop, name = self._shop, f"node{len(self.nodes) + 1}"
        home = fresh_folder(shop, name, tls=False)
        process, port = serve(shop, home, self._environment, name=name)
        self._key = self._key or add_key_and_provider(shop, home, self._environment)
        node = Gantry(
            name=name,
            version="",
            roads=roads(port, self._key),
            process=process,
            pids=list,
            stop=lambda: shop.children.stop(process),
            shop=shop,
            home=home,
            environment=self._environment,
        )
        ready(shop, node, 30)
        pids = node.worker_pids()
        node.pids = lambda: pids
        self.nodes.append(node)

    def carry(self, jobs: Sequence[tuple[Shape, int]], seconds: float) -> Used:
        """Put load upon each node, of each shape so many connections, and return what it took until all is stored."""
        for node in self.nodes:
            node.wait_for_clerk(60)
        workers = [pid for node in self.nodes for pid in node.pids()]
        clerks = [node.clerk_pid() for node in self.nodes]
        database = self._backends()
        before = [cpu_ns(pids) for pids in (workers, clerks, database)]
        began = time.monotonic()
        loads = []
        for node in self.nodes:
            for shape, connections in jobs:
                target: Target = node.roads[Road.STREAM if shape.events else Road.RELAY]
                load = self._shop.another_load()
                load.begin(Job(targets=[target], connections=connections, seconds=seconds, shape=shape, stagger=0.5))
                loads.append(load)
        results: list[TargetResult] = [result for load in loads for result in load.results(seconds + 90)]
        if not jobs:
            time.sleep(seconds)
        for node in self.nodes:
            node.wait_for_clerk(60)
        spent = [(cpu_ns(pids) - was) / 1e9 for pids, was in zip((workers, clerks, database), before, strict=True)]
        assert not any(result.failures for result in results), [result.first_failure for result in results]
        return Used(
            calls=sum(result.calls for result in results),
            events=sum(result.events for result in results),
            seconds=time.monotonic() - began,
            workers=spent[0],
            clerks=spent[1],
            database=spent[2],
        )

    def size(self) -> int:
        with psycopg.connect(self._url) as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        assert row is not None
        return int(row[0])

    def _backends(self) -> list[int]:
        """Return the processes of the server, which runs on this machine. Connections stay open meanwhile."""
        with psycopg.connect(self._url) as connection:
            row = connection.execute("SELECT pg_backend_pid()").fetchone()
            assert row is not None
            postmaster = int(Path(f"/proc/{row[0]}/stat").read_text().rpartition(")")[2].split()[1])
            return [pid for pid in tree(postmaster) if pid != row[0]]


def measure(fleet: Fleet, seconds: float) -> Costs:
    """Return what calls, events and logs cost on one node."""
    fleet.carry([(_WHOLE, 8), (_STREAM, 8)], 3)  # warms up
    idle = fleet.carry([], seconds)
    size = fleet.size()
    whole = fleet.carry([(_WHOLE, 8)], seconds)
    size = fleet.size() - size
    streamed = fleet.carry([(_STREAM, 32)], seconds)
    at_rest = [used / idle.seconds for used in (idle.workers, idle.clerks, idle.database)]
    worker_call = (whole.workers - at_rest[0] * whole.seconds) / whole.calls
    clerk_record = (whole.clerks - at_rest[1] * whole.seconds) / whole.calls
    of_events = streamed.workers - at_rest[0] * streamed.seconds - worker_call * streamed.calls
    of_long = streamed.clerks - at_rest[1] * streamed.seconds - clerk_record * streamed.calls
    database_record = (whole.database - at_rest[2] * whole.seconds) / whole.calls
    of_rows = streamed.database - at_rest[2] * streamed.seconds - database_record * streamed.calls
    return Costs(
        worker_call=worker_call * _MICRO,
        worker_event=of_events / streamed.events * _MICRO,
        clerk_record=clerk_record * _MICRO,
        clerk_event=of_long / streamed.events * _MICRO,
        database_record=database_record * _MICRO,
        database_event=of_rows / streamed.events * _MICRO,
        stored_bytes=size / whole.calls,
        worker_idle=at_rest[0] * _MICRO,
        clerk_idle=at_rest[1] * _MICRO,
        database_idle=at_rest[2] * _MICRO,
    )


def check(fleet: Fleet, costs: Costs, seconds: float) -> list[str]:
    """Run two nodes under a mixed load; return what the model says of it beside what it took."""
    used = fleet.carry([(_WHOLE, 4), (_STREAM, 24)], seconds)
    streams = used.events / _STREAM.events
    nodes = len(fleet.nodes)
    demand = Demand(calls=used.calls / used.seconds, streamed=streams / used.calls, events=_STREAM.events, nodes=nodes)
    said = plan(demand, costs)
    lines = [f"{nodes} nodes: {demand.calls:.0f} calls/s, {demand.streamed:.0%} streamed, {used.seconds:.0f} s"]
    for name, took, expected in (
        ("workers", used.workers, said.workers),
        ("clerks", used.clerks, said.clerks),
        ("database", used.database, said.database),
    ):
        share = took / used.seconds
        lines.append(f"{name:<9} model {expected:6.3f} CPUs   used {share:6.3f}   {expected / share - 1:+.0%}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=float, default=500, help="calls a second at the busiest hour")
    parser.add_argument("--streamed", type=float, default=0.5, help="the share that are streams")
    parser.add_argument("--events", type=float, default=80, help="of a stream")
    parser.add_argument("--days", type=float, default=30, help="that logs are kept")
    parser.add_argument("--mean", type=float, default=0.3, help="of the busiest hour's calls, over the day")
    parser.add_argument("--cpus", type=int, default=os.cpu_count(), help="of a machine")
    parser.add_argument("--postgres", help="URL of an empty database on this machine: measure, then check")
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement")
    asked = parser.parse_args()
    costs = MEASURED if asked.postgres is None else _measured(asked.postgres, asked.seconds)
    demand = Demand(calls=asked.calls, streamed=asked.streamed, events=asked.events, days=asked.days, mean=asked.mean)
    print("\n".join([*costs.lines(), "", *plan(demand, costs).lines(asked.cpus)]))
    return 0


def _measured(url: str, seconds: float) -> Costs:
    try:
        package = compiled_copy()
    except CannotCompile as error:
        print(f"not compiled: {error}")
        package = None
    with tempfile.TemporaryDirectory(prefix="gantry-capacity-") as folder:
        children = Children(Path(folder))
        try:
            fleet = Fleet(Workshop(Path(folder), children, pinned=False, package=package), url)
            fleet.join()
            costs = measure(fleet, seconds)
            fleet.join()
            print("\n".join([*check(fleet, costs, seconds), ""]))
            return costs
        finally:
            children.stop_all()


def _machines(cpus: float, of: int) -> str:
    count = max(1, -(-int(cpus * 100) // (of * 100)))
    return f"{count} machine{'s' if count > 1 else ''}"


if __name__ == "__main__":
    raise SystemExit(main())
