"""Machines of a network that is in this one: a network namespace each, joined by a bridge on which the services are.

Law: whatever a test does, no namespace and no device outlives it.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from msgspec import Struct

_FIRST: Final = 11  # the last number of the first machine's address
_PREFIX: Final = f"10.213.{os.getpid() % 250}"
_NAME: Final = f"gf{os.getpid() % 100_000}"
DATABASE: Final = f"{_PREFIX}.2"
REDIS: Final = f"{_PREFIX}.3"
PROVIDERS: Final = f"{_PREFIX}.4"


class Machine(Struct, frozen=True):
    """A namespace. What begins with `inside` runs in it."""

    namespace: str
    address: str

    @property
    def inside(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.namespace)

    def cut(self, address: str) -> None:
        """Let nothing from here reach an address, whatever connections there are."""
        _ip("netns", "exec", self.namespace, "ip", "route", "add", "blackhole", f"{address}/32")

    def mend(self, address: str) -> None:
        _ip("netns", "exec", self.namespace, "ip", "route", "del", "blackhole", f"{address}/32")


def why_not() -> str | None:
    """Say why there can be no namespaces here; None where there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "there is no ip here; install the package `iproute2`"
    tried = subprocess.run(("ip", "netns", "add", f"{_NAME}t"), capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no network namespaces here: {tried.stderr.strip()}"
    _ip("netns", "del", f"{_NAME}t")
    return None


@contextmanager
def network(machines: int) -> Iterator[list[Machine]]:
    """Make a bridge with the services' addresses, and machines on it."""
    bridge = f"{_NAME}b"
    made = [Machine(f"{_NAME}n{number}", f"{_PREFIX}.{_FIRST + number}") for number in range(machines)]
    try:
        _ip("link", "add", bridge, "type", "bridge")
        for address in (f"{_PREFIX}.1", DATABASE, REDIS, PROVIDERS):
            _ip("address", "add", f"{address}/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for number, machine in enumerate(made):
            _ip("netns", "add", machine.namespace)
            end = f"{_NAME}v{number}"
            _ip("link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", machine.namespace)
            _ip("link", "set", end, "master", bridge, "up")
            _ip("-n", machine.namespace, "address", "add", f"{machine.address}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _ip("-n", machine.namespace, "link", "set", device, "up")
        yield made
    finally:
        for machine in made:
            subprocess.run(("ip", "netns", "del", machine.namespace), capture_output=True, check=False)
        subprocess.run(("ip", "link", "del", bridge), capture_output=True, check=False)


def _ip(*words: str) -> None:
    done = subprocess.run(("ip", *words), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
