"""Reads what processes cost from /proc: nanoseconds on a CPU, and memory held."""

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

_PROC = Path("/proc")


class Memory(Struct, frozen=True):
    """Bytes. `rss` counts shared pages in each process, `pss` divides them among those that share them."""

    rss: int
    pss: int


def cpu_ns(pids: Iterable[int]) -> int:
    """Return the nanoseconds that all threads of these processes have spent on a CPU.

    `schedstat` is exact and `stat` counts in ticks, but only per thread: what ended threads used is lost. None of the
    systems under test ends threads while it is measured.
    """
    total = 0
    for pid in pids:
        for task in (_PROC / str(pid) / "task").iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return total


def memory(pids: Iterable[int]) -> Memory:
    """Return what these processes hold in memory, in all."""
    rss = pss = 0
    for pid in pids:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == "Rss":
                rss += int(rest.split()[0]) * 1024
            elif name == "Pss":
                pss += int(rest.split()[0]) * 1024
    return Memory(rss, pss)


def tree(root: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [root]
    for pid in found:
        found.extend(children(pid))
    return found


def children(pid: int) -> list[int]:
    """Return the direct children of a process; none for one that is gone."""
    try:
        tasks = list((_PROC / str(pid) / "task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def command_line(pid: int) -> str:
    """Return the arguments a process was started with, or an empty string when it is gone."""
    try:
        return (_PROC / str(pid) / "cmdline").read_text().replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
