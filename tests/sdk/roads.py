"""The roads from a client to the simulator, and the way to send a client down one of them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from threading import Timer
from typing import Any

from msgspec import Struct

from tests.sdk.environments import ROOT, Client, interpreter, node_folder

HERE = Path(__file__).resolve().parent
START_SECONDS = 30.0
RUN_SECONDS = 120.0
GANTRY = (sys.executable, "-c", "from gantry.cli.main import main; main()")


class Road(StrEnum):
    DIRECT = "direct"  # the client at the provider it was made for
    GATEWAY = "gateway"  # through the gateway at Mistral
    RELAYED = "relayed"  # an OpenAI client through the gateway at OpenAI


class Target(Struct, frozen=True):
    """Where a road begins: the base URL, a key that opens it, and which models are asked there."""

    url: str
    key: str
    models: Mapping[str, str]


Outcome = Mapping[str, Any]
Results = Mapping[str, Outcome]


def quiet_environment(**more: str) -> dict[str, str]:
    """Return the environment for a child: what it needs to run, and no provider's key."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return {**kept, **more}


@contextmanager
def listening(command: tuple[str, ...], announcement: str, log: Path) -> Iterator[str]:
    """Run a server for the life of the block; return the URL that the first line of its stdout announces."""
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=quiet_environment(), start_new_session=True
        )
        too_late = Timer(START_SECONDS, process.kill)
        too_late.start()
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            too_late.cancel()
            if not line.startswith(announcement):
                raise AssertionError(f"{command[1:]} said {line!r}; its log:\n{log.read_text()[-4000:]}")
            yield line.removeprefix(announcement).strip()
        finally:
            too_late.cancel()
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def drive(client: Client, target: Target, cases: Iterable[str]) -> Results:
    """Run cases of a client's driver, and return what it printed by case."""
    environment = quiet_environment(BASE_URL=target.url, KEY=target.key, BAD_KEY="bad-key", **target.models)
    output = run((*driver(client), *cases), environment)
    return {item["case"]: item for item in map(json.loads, output.splitlines())}


def driver(client: Client) -> tuple[str, ...]:
    """Return the command that runs a client's driver."""
    program = str(interpreter(client))
    family = "mistral" if client.speaks_mistral else "openai"
    if not client.on_node:
        return (program, "-m", f"tests.sdk.drivers.{family}")
    for module in (HERE / "node").glob("*.mjs"):
        shutil.copy(module, node_folder(client))
    return (program, str(node_folder(client) / f"{family}.mjs"))


def run(command: tuple[str, ...], environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end, and return its stdout."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
        cwd=ROOT,
        env=dict(environment if environment is not None else quiet_environment()),
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
