"""The memory of turns: what a client's format has no slot for, and a later turn of the conversation needs.

Signed thinking comes back to its provider with the tool's result, and a conversation goes on by the id of its last
response. Any worker of the machine may be asked for it, so each value is a file of its own, sealed like the vault: what
it holds was said by people.

Law: bounded by bytes and age, oldest first, and only a memory. What was forgotten costs a signature or a clear answer,
never a call. Names are digests under a key of the home, with the organization in them: nobody recalls another's.
"""

import hmac
import os
import time
from pathlib import Path
from typing import Final

from gantry.core.sealing import SealBroken, Sealer

DEFAULT_LIMIT: Final = 512 << 20
MAX_VALUE: Final = 16 << 20
_MAX_AGE: Final = 30 * 86_400.0
_HIDDEN: Final = "."


class TurnMemory:
    """One folder, shared by the workers of a machine."""

    __slots__ = ("_folder", "_key", "_limit", "_sealer")

    def __init__(self, folder: Path, sealer: Sealer, key: bytes, limit: int = DEFAULT_LIMIT) -> None:
        self._folder = folder
        self._sealer = sealer
        self._key = key
        self._limit = limit

    def keep(self, organization_id: str, name: str, value: bytes) -> bool:
        """Keep a value under a name of the organization's; False when it is too large, or the disk refuses."""
        if len(value) > MAX_VALUE:
            return False
        digest = self._digest(organization_id, name)
        aside = self._folder / f"{_HIDDEN}{digest}.{os.getpid()}"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(self._sealer.seal(value, digest.encode()))
            aside.replace(self._folder / digest)
        except OSError:  # a full disk must not cost the call
            try:
                aside.unlink(missing_ok=True)
            except OSError:
                pass
            return False
        return True

    def recall(self, organization_id: str, name: str) -> bytes | None:
        """Return what was kept under a name; None where nothing is, or not any more."""
        digest = self._digest(organization_id, name)
        try:
            return self._sealer.open((self._folder / digest).read_bytes(), digest.encode())
        except (OSError, SealBroken):
            return None

    def forget(self, organization_id: str, name: str) -> bool:
        """Delete what was kept under a name; False where nothing was."""
        try:
            (self._folder / self._digest(organization_id, name)).unlink()
        except OSError:
            return False
        return True

    def sweep(self, now: float | None = None) -> int:
        """Delete what is too old or too much, oldest first; return how many. `now` is in seconds since the epoch."""
        oldest_kept = (time.time() if now is None else now) - _MAX_AGE
        entries = self._entries()
        size = sum(entry[1] for entry in entries)
        gone = 0
        for changed, length, path in sorted(entries):
            if changed >= oldest_kept and size <= self._limit:
                break
            path.unlink(missing_ok=True)
            size -= length
            gone += 1
        return gone

    def _entries(self) -> list[tuple[float, int, Path]]:
        found = []
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    try:
                        stat = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:  # another worker swept it, or renamed it into place
                        continue
                    found.append((stat.st_mtime, stat.st_size, Path(entry.path)))
        except FileNotFoundError:
            pass
        return found

    def _digest(self, organization_id: str, name: str) -> str:
        return hmac.digest(self._key, f"{organization_id}\0{name}".encode("utf-8", "replace"), "sha256").hex()
