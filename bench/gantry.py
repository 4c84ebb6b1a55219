"""Gantry as a system under test: a home of its own, one worker, one key, one Mistral credential that leads to the mock.

Its processes are told apart by `gantry status --json`: the worker counts against the other gateways, and the clerk with
it where a figure says so.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.children import Child, ChildError
from bench.jobs import Target
from bench.systems import MODEL, Road, Running, Unavailable, fresh_folder, label, mistral_headers, ready
from bench.workshop import Workshop, output_of

_COMMAND = [sys.executable, "-m", "gantry.cli.main"]
_POLL = 0.05
_PATIENCE = 120  # seconds for the clerk to store all that was called


@dataclass
class Gantry(Running):
    """A running `gantry serve` and the questions that the harness asks it."""

    shop: Workshop
    home: Path
    environment: dict[str, str]

    def status(self) -> dict[str, Any]:
        output = run_gantry(self.shop, self.home, self.environment, "status", "--json")
        answer: dict[str, Any] = json.loads(output)
        return answer

    def worker_pids(self) -> list[int]:
        return [worker["pid"] for worker in self.status()["workers"]]

    def clerk_pid(self) -> int:
        pid: int = self.status()["clerk"]["pid"]
        return pid

    def lag(self) -> int:
        """Return how many records are not stored yet; a clerk that has not counted them is behind."""
        lag = self.status()["clerk"]["lag"]
        return 1 if lag is None else lag

    def finish(self) -> None:
        self.wait_for_clerk(_PATIENCE)

    def wait_for_clerk(self, seconds: float) -> list[tuple[float, int]]:
        """Wait until the clerk is behind by nothing, and return its lag at the moments it was looked at."""
        deadline = time.monotonic() + seconds
        seen = []
        while time.monotonic() < deadline:
            lag = self.lag()
            seen.append((time.monotonic(), lag))
            if lag == 0:
                return seen
            time.sleep(_POLL)
        raise ChildError(f"the clerk is still {seen[-1][1]} records behind after {seconds:.0f} s")

    @contextmanager
    def paused_clerk(self) -> Iterator[int]:
        """Hold the clerk still, so that a backlog grows in the journal."""
        pid = self.clerk_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield pid
        finally:
            os.kill(pid, signal.SIGCONT)


def start_gantry(shop: Workshop, *, tls: bool = False, workers: int = 1, spread: bool = False) -> Gantry:
    """Make a home with a key and a credential, and serve it; on all CPUs when it may `spread`."""
    home = fresh_folder(shop, "gantry", tls=tls)
    environment = gantry_environment(shop)
    cpus = shop.system_cpus | shop.bench_cpus if spread else shop.system_cpus
    try:
        process, port = serve(shop, home, environment, workers=workers, cpus=cpus, name=label("gantry", tls=tls))
    except ChildError as error:
        raise Unavailable(str(error)) from error
    try:
        key = add_key_and_provider(shop, home, environment, tls=tls)
    except ChildError as error:
        shop.children.stop(process)
        raise Unavailable(str(error)) from error
    running = Gantry(
        name="gantry",
        version=f"{output_of(*_COMMAND, '--version').rpartition(' ')[2]} ({shop.build})",
        roads=roads(port, key),
        process=process,
        pids=list,  # known once it is ready
        stop=lambda: shop.children.stop(process),
        shop=shop,
        home=home,
        environment=environment,
    )
    ready(shop, running, 20)
    pids = running.worker_pids()
    running.pids = lambda: pids
    return running


def roads(port: int, key: str) -> dict[Road, Target]:
    """Return the ways in: Mistral's own surface, and OpenAI's and Anthropic's with a Mistral model."""
    native = Target("gantry", port, "/api/v1/chat/completions", MODEL, mistral_headers(key), exact=True)
    adapted = Target("gantry adapt", port, "/api/chat/completions", f"mistral/{MODEL}", openai_headers(key))
    translated = Target(
        "gantry translate", port, "/api/anthropic/v1/messages", f"mistral/{MODEL}", anthropic_headers(key)
    )
    return {Road.RELAY: native, Road.STREAM: native, Road.ADAPT: adapted, Road.TRANSLATE: translated}


def anthropic_headers(key: str) -> dict[str, str]:
    """Return the headers that Anthropic's Python SDK sends."""
    return {
        "accept-encoding": "gzip, deflate",
        "connection": "keep-alive",
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": "Anthropic/Python 2.12.0",
        "anthropic-version": "2023-06-01",
        "x-api-key": key,
    }


def openai_headers(key: str) -> dict[str, str]:
    """Return the headers that OpenAI's Python SDK sends."""
    return {
        "accept-encoding": "gzip, deflate",
        "connection": "keep-alive",
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": "OpenAI/Python 3.1.0",
        "x-stainless-lang": "python",
        "x-stainless-package-version": "3.1.0",
        "x-stainless-os": "Linux",
        "x-stainless-arch": "x64",
        "x-stainless-runtime": "CPython",
        "x-stainless-runtime-version": "3.11.7",
        "authorization": f"Bearer {key}",
        "x-stainless-async": "false",
        "x-stainless-retry-count": "0",
        "x-stainless-read-timeout": "600",
    }


def gantry_environment(shop: Workshop) -> dict[str, str]:
    return {"SSL_CERT_FILE": str(shop.authority), "PYTHONPATH": str(shop.package)}


def serve(
    shop: Workshop,
    home: Path,
    environment: dict[str, str],
    *,
    workers: int = 1,
    cpus: set[int] | None = None,
    name: str = "gantry",
) -> tuple[Child, int]:
    """Start `gantry serve` on a free port and return it with its port, once it listens."""
    argv = [*_COMMAND, "serve", "--home", str(home), "--port", "0", "--workers", str(workers)]
    process = shop.children.start(name, argv, cpus=cpus or shop.system_cpus, environment=environment)
    line = process.read_line(20)
    return process, int(line.rpartition(":")[2])


def add_key_and_provider(shop: Workshop, home: Path, environment: dict[str, str], *, tls: bool = False) -> str:
    """Create an API key and a Mistral credential, and return the key."""
    base_url = shop.upstream_url(tls=tls)
    run_gantry(shop, home, environment, "providers", "add", "mistral", "--api-key", "upstream", "--base-url", base_url)
    return run_gantry(shop, home, environment, "keys", "create", "bench").strip().splitlines()[-1]


def run_gantry(shop: Workshop, home: Path, environment: dict[str, str], *arguments: str) -> str:
    argv = [*_COMMAND, *arguments, "--home", str(home)]
    return shop.children.run(f"gantry {arguments[0]}", argv, cpus=shop.bench_cpus, environment=environment)
