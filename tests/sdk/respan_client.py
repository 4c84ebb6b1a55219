"""Respan's own client in a process of its own, and what came of each call to it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.sdk.environments import ROOT, Client, interpreter
from tests.sdk.roads import quiet_environment


class ClientError(Exception):
    """What the client raised: the name of its class, then what it says."""


class RespanClient:
    """Calls the methods of both clients, and remembers which."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.called: dict[str, set[str]] = {}

    def methods(self, resource: str) -> set[str]:
        return set(self._ask("sync", resource, "methods", {}))

    def call(self, flavour: str, resource: str, method: str, **arguments: Any) -> Any:
        """Return what a method returned, as JSON. Raises ClientError."""
        self.called.setdefault(resource, set()).add(method)
        return self._ask(flavour, resource, method, arguments)

    def _ask(self, flavour: str, resource: str, method: str, arguments: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        call = {"client": flavour, "resource": resource, "method": method, "arguments": arguments}
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        came = json.loads(self._process.stdout.readline())
        if "error" in came:
            raise ClientError(f"{came['error']}: {resource}.{method}: {came['message']}")
        return came["result"]


@contextmanager
def respan_client(client: Client, url: str, key: str) -> Iterator[RespanClient]:
    """Run a client's process for the life of the block. Raises NoClient."""
    command = (str(interpreter(client)), "-m", "tests.sdk.drivers.respan")
    environment = quiet_environment(BASE_URL=url, KEY=key)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as process:
        yield RespanClient(process)
        assert process.stdin is not None
        process.stdin.close()
