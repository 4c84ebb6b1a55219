"""The two roads from a client to the simulator, and the way to send a client down one of them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from threading import Timer
from typing import Any

from msgspec import Struct

from tests.sdk.environments import Client, interpreter, node_folder

HERE = Path(__file__).resolve().parent
START_SECONDS = 30.0
RUN_SECONDS = 120.0
GANTRY = (sys.executable, "-c", "from gantry.cli.main import main; main()")


class Road(StrEnum):
    DIRECT = "direct"
    GATEWAY = "gateway"


class Target(Struct, frozen=True):
    """Where a road begins: the base URL as each family of clients wants it, and a key that opens it."""

    mistral: str
    openai: str
    key: str
    openai_models: Mapping[str, str]


Results = Mapping[str, Mapping[str, Any]]


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


def drive(client: Client, target: Target) -> Results:
    """Run a client's driver, and return what it printed by scenario."""
    program = str(interpreter(client))
    url, driver = target.mistral, HERE / "drivers" / "mistral_python.py"
    if client is Client.OPENAI_3:
        url, driver = target.openai, HERE / "drivers" / "openai_python.py"
    elif client is Client.MISTRAL_TS:
        driver = Path(shutil.copy(HERE / "node" / "driver.mjs", node_folder()))
    environment = quiet_environment(BASE_URL=url, KEY=target.key, BAD_KEY="bad-key", **target.openai_models)
    output = run((program, str(driver)), environment)
    return {item["scenario"]: item for item in map(json.loads, output.splitlines())}


def run(command: tuple[str, ...], environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end, and return its stdout."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
        env=dict(environment if environment is not None else quiet_environment()),
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
