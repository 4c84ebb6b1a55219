"""Whether the modules of the hot path run compiled, and whether they are what the source beside them says.

Law: a compiled module goes before its source wherever Python imports it. So a package that has some carries the digests
of what they were made from, and one whose source was edited since is not served from.
"""

import hashlib
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

RECORD: Final = "compiled.json"
_HERE: Final = Path(__file__).resolve().parent


class Record(Struct, frozen=True):
    """What was compiled: the ending of the files, and the digest of the source of each module."""

    suffix: str
    digests: dict[str, str]


class Build(Struct, frozen=True):
    """How this package runs."""

    compiled: int = 0  # modules; none where it is plain Python
    stale: Sequence[str] = ()  # compiled from another source than the one that is beside them

    @property
    def complaint(self) -> str:
        """What is wrong, where anything is stale."""
        return f"{', '.join(self.stale)} changed after the package was compiled, and would not run as it reads now"

    def __str__(self) -> str:
        return f"{self.compiled} modules of the hot path are compiled" if self.compiled else "plain Python"


def read_build(package: Path = _HERE) -> Build:
    """Return how the package in a folder runs on this Python."""
    try:
        record = msgspec.json.decode((package / RECORD).read_bytes(), type=Record)
    except FileNotFoundError:
        return Build()
    if record.suffix not in EXTENSION_SUFFIXES:
        return Build()  # made for another Python, which is why this one passes over it
    stale = [path for path, digest in record.digests.items() if _digest_of(package / path) != digest]
    return Build(len(record.digests), stale)


def _digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""
