"""A gateway before providers that fail as they are told to, and its clients: where scenarios of routing are played."""

import json
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bench.faulty import Behaviour
from bench.gantry import Gantry, gantry_environment, run_gantry, serve
from bench.measure import cpu_ns, tree
from bench.riders import Tally, Trip
from bench.systems import fresh_folder
from bench.workshop import Workshop, output_of
from gantry.board.board import Board, Slot
from gantry.home import Home

_SECONDS: Final = 30.0


class Stand:
    """`gantry serve` with credentials by name, each of which leads to a deployment of the faulty provider."""

    def __init__(self, shop: Workshop, credentials: Mapping[str, tuple[str, float]], *, workers: int = 1) -> None:
        """`credentials` are provider and weight by name."""
        cpus = shop.system_cpus | shop.bench_cpus
        self._shop = shop
        self._faulty = shop.helper("faulty")
        self._riders = shop.helper("riders")
        self._upstream = self._faulty.read_line(_SECONDS).rpartition(" ")[2]
        home = fresh_folder(shop, "stand", tls=False)
        environment = gantry_environment(shop)
        process, self.port = serve(shop, home, environment, workers=workers, cpus=cpus, name="gantry on a stand")
        for name, (provider, weight) in credentials.items():
            options = ("--name", name, "--weight", f"{weight:g}", "--base-url", f"{self._upstream}/{name}")
            run_gantry(shop, home, environment, "providers", "add", provider, "--api-key", "upstream", *options)
        self.key = run_gantry(shop, home, environment, "keys", "create", "bench").split()[-1]
        self.gantry = Gantry(
            name="gantry",
            version=output_of("git", "describe", "--always"),
            roads={},
            process=process,
            pids=list,
            stop=self.stop,
            shop=shop,
            home=home,
            environment=environment,
        )

    def stop(self) -> None:
        for child in (self.gantry.process, self._riders, self._faulty):
            self._shop.children.stop(child)

    def cpu_seconds(self) -> float:
        """Return what the gateway, its clients and its providers have spent on CPUs so far."""
        return cpu_ns([*tree(self.gantry.process.pid), self._riders.pid, self._faulty.pid]) / 1e9

    def rule(self, document: Mapping[str, Any]) -> None:
        """Say all of the routing rules anew, and wait until they are live."""
        written = self._shop.folder / "rules.json"
        written.write_bytes(msgspec.json.encode(document))
        run_gantry(self._shop, self.gantry.home, self.gantry.environment, "routing", "set", str(written))

    def behave(self, **behaviours: Behaviour) -> None:
        """Tell deployments how to behave from now on."""
        request = urllib.request.Request(f"{self._upstream}/_behave", msgspec.json.encode(behaviours), method="PUT")
        urllib.request.urlopen(request, timeout=_SECONDS).close()

    def counts(self) -> dict[str, Any]:
        """Return what the provider counts: open connections, answers under way, and fates by deployment."""
        counts: dict[str, Any] = self._look("_counts")
        return counts

    def asked(self, *names: str) -> int:
        """Return how many requests came to these deployments, or to all."""
        fates: dict[str, int] = self.counts()["fates"]
        return sum(count for fate, count in fates.items() if not names or fate.split(" ")[0] in names)

    def seen(self) -> dict[str, int]:
        """Return how many requests came of each call, by its number."""
        found: dict[str, int] = {}
        for mark, count in self._look("_seen").items():
            call = mark.split(" ")[-1]
            found[call] = found.get(call, 0) + count
        return found

    def begin(self, trip: Trip) -> None:
        self._riders.write_line(msgspec.json.encode(trip))

    def tally(self, seconds: float) -> Tally:
        return msgspec.json.decode(self._riders.read_line(seconds), type=Tally)

    def travel(self, trip: Trip, seconds: float = 300.0) -> Tally:
        """Let clients make their calls."""
        self.begin(trip)
        return self.tally(seconds)

    def slots(self) -> list[Slot]:
        """Return what the workers show on the board."""
        return list(Board(Home(self.gantry.home).board).workers())

    def _look(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self._upstream}/{path}", timeout=_SECONDS) as answer:
            return json.loads(answer.read())
