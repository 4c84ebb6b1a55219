"""The manifest of a backup: what is in it, of which version, and by which digest each file is known.

Law: a backup is believed as far as its manifest says, and not one byte further: a file that is not named in it is not
restored, and one that differs ends the restore.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

import msgspec
from msgspec import Struct

from gantry.keeping import KeepingRefused

NAME: Final = "manifest.json"
FORMAT: Final = 1
MASTER_KEY: Final = "master.key"
_AT_ONCE: Final = 1 << 20


class BackupError(KeepingRefused):
    """A backup cannot be made or restored; the message says why and what to do."""


class KeptFile(Struct, frozen=True):
    """A file of a home: its path in it, its size in bytes, its SHA-256."""

    path: str
    size: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """`revisions` are those of the databases in the backup, by tree; none where they live on a server."""

    format: int
    gantry: str
    made_at: int  # ns since the epoch
    engine: str
    revisions: Mapping[str, str]
    master_key_id: str
    files: tuple[KeptFile, ...]

    @property
    def has_master_key(self) -> bool:
        return any(file.path == MASTER_KEY for file in self.files)


def read_manifest(data: bytes) -> Manifest:
    """Return what a manifest says. Raises BackupError."""
    try:
        found = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise BackupError(f"the manifest of the backup is not readable: {error}") from error
    if found.format > FORMAT:
        raise BackupError(
            f"the backup has format {found.format} and was made by Gantry {found.gantry}; this version reads {FORMAT}. "
            "Restore it with that version, or a newer one."
        )
    for file in found.files:
        parts = PurePosixPath(file.path)
        if parts.is_absolute() or ".." in parts.parts or not parts.parts or parts.parts[0].startswith("."):
            raise BackupError(f"the manifest names {file.path!r}, which is no place in a home; nothing was restored")
    return found


def describe_file(root: Path, path: Path) -> KeptFile:
    """Return a file as the manifest names it."""
    with path.open("rb") as file:
        size, digest = digest_of(file)
    return KeptFile(path.relative_to(root).as_posix(), size, digest)


def digest_of(source: BinaryIO, into: BinaryIO | None = None) -> tuple[int, str]:
    """Return size and SHA-256 of a stream, copied on the way where somewhere is given."""
    digest, size = hashlib.sha256(), 0
    while data := source.read(_AT_ONCE):
        digest.update(data)
        size += len(data)
        if into is not None:
            into.write(data)
    return size, digest.hexdigest()
