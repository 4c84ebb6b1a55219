"""The response cache's files: answers that were given once, and may be given again.

Law: bounded by bytes, oldest first, and only a cache. What is forgotten, or what the disk refuses, costs a call to a
provider and nothing else. Any worker of the machine may be asked for an entry, and the console deletes them, so each is
a file of its own and nobody holds one in memory: what is deleted is gone for all at once. Entries are sealed, for what
they hold was said by people, and named by digests under a key of the home, in a folder for each organization: nobody
finds another's, and an organization's are deleted together.

A file's time of modification is when its entry expires, so sweeping opens none; its time of change is when it was kept.
"""

import hmac
import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from gantry.core.sealing import SealBroken, Sealer
from gantry.core.usage import NO_USAGE, Usage

DEFAULT_LIMIT: Final = 512 << 20
LARGEST_ANSWER: Final = 4 << 20
_HIDDEN: Final = "."
_ABANDONED: Final = 3600.0  # seconds after which half a file is nobody's
_SHARE_BEFORE_SWEEP: Final = 8  # of the limit: so much by one process, and it is time to sweep
_SHARE_UNSWEPT: Final = 2  # so much, and it keeps nothing more before it has
_is_name: Final = re.compile(r"[0-9a-f]{64}").fullmatch
_encode: Final = msgspec.msgpack.Encoder().encode


class KeptAnswer(Struct, frozen=True, array_like=True, gc=False):
    """A complete answer as it left, and whose it was. Times are ns since the epoch, durations ns."""

    content_type: str
    body: bytes
    kept_at: int
    expires_at: int
    log_id: str = ""  # of the call that it was given to first
    asked_model: str | None = None  # as that caller wrote it
    provider_id: str = ""
    model: str | None = None
    host: str | None = None
    latency: int = 0  # of that call
    changes: tuple[str, ...] = ()  # of what was asked, on its way to that provider
    usage: Usage = NO_USAGE  # as that provider told it; an answer that left may tell less
    service_tier: str | None = None


_decode: Final = msgspec.msgpack.Decoder(KeptAnswer).decode


class _File(NamedTuple):
    expires: float
    kept: float
    size: int
    path: Path


class AnswerCache:
    """One folder, shared by the processes of a machine."""

    __slots__ = ("_clock", "_folder", "_key", "_limit", "_sealer", "_unswept")

    def __init__(
        self,
        folder: Path,
        sealer: Sealer,
        key: bytes,
        limit: int = DEFAULT_LIMIT,
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """`limit` is in bytes; 0 keeps nothing and finds nothing."""
        self._folder = folder
        self._sealer = sealer
        self._key = key
        self._limit = limit
        self._clock = clock
        self._unswept = 0

    def now(self) -> int:
        """Return the time by which entries expire, in ns since the epoch."""
        return self._clock()

    @property
    def is_on(self) -> bool:
        return self._limit > 0

    @property
    def is_due(self) -> bool:
        """Whether so much was kept since the last sweep that the next one should not wait."""
        return self._unswept * _SHARE_BEFORE_SWEEP > self._limit

    def name(self, organization_id: str, asked: bytes) -> str:
        """Return the name of the answer to what was asked."""
        return hmac.digest(self._key, b"answer\0%b\0%b" % (_bytes(organization_id), asked), "sha256").hex()

    def keep(self, organization_id: str, name: str, answer: KeptAnswer) -> bool:
        """Keep an answer under its name; False where it is too large or too much, or the disk refuses."""
        size = len(answer.body)
        if size > LARGEST_ANSWER or (self._unswept + size) * _SHARE_UNSWEPT > self._limit:
            return False
        self._unswept += size
        folder = self._folder_of(organization_id)
        aside = folder / f"{_HIDDEN}{name}.{os.getpid()}.{threading.get_ident()}"
        try:
            for place in (self._folder, folder):
                place.mkdir(mode=0o700, exist_ok=True)
            fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(self._sealer.seal(_encode(answer), name.encode()))
            os.utime(aside, ns=(answer.kept_at, answer.expires_at))
            aside.replace(folder / name)
        except OSError:  # a full disk must not cost the call
            try:
                aside.unlink(missing_ok=True)
            except OSError:
                pass
            return False
        return True

    def find(self, organization_id: str, name: str, ttl: int) -> KeptAnswer | None:
        """Return an answer that has not expired and is no older than `ttl` seconds; None where there is none."""
        if not self._limit:
            return None
        try:
            sealed = (self._folder_of(organization_id) / name).read_bytes()
            answer = _decode(self._sealer.open(sealed, name.encode()))
        except (OSError, SealBroken, msgspec.DecodeError):  # the last: what another version kept
            return None
        now = self._clock()
        return answer if now < answer.expires_at and now < answer.kept_at + ttl * 1_000_000_000 else None

    def holds(self, organization_id: str, name: str) -> bool:
        """Say whether there is a file for an answer."""
        return _is_name(name) is not None and (self._folder_of(organization_id) / name).exists()

    def forget(self, organization_id: str, names: Iterable[str]) -> int:
        """Delete answers of an organization by their names; return how many there were."""
        folder, gone = self._folder_of(organization_id), 0
        for name in filter(_is_name, names):
            try:
                (folder / name).unlink()
                gone += 1
            except FileNotFoundError:
                pass
        return gone

    def forget_all(self, organization_id: str) -> int:
        """Delete all answers of an organization; return how many there were."""
        return self.forget(organization_id, [file.path.name for file in _files_in(self._folder_of(organization_id))])

    def measure(self, organization_id: str) -> tuple[int, int]:
        """Return how many files an organization has, and their bytes."""
        sizes = [file.size for file in _files_in(self._folder_of(organization_id))]
        return len(sizes), sum(sizes)

    def sweep(self) -> list[str]:
        """Delete what has expired, and the oldest of what is too much; return the names of what is gone."""
        self._unswept = 0
        now = self._clock() / 1e9
        files = sorted((file for folder in _folders_in(self._folder) for file in _files_in(folder)), key=_by_age)
        size = sum(file.size for file in files)
        gone = []
        for file in files:
            half = file.path.name.startswith(_HIDDEN)
            if half and file.kept + _ABANDONED > now:
                continue
            if half or file.expires <= now or size > self._limit:
                file.path.unlink(missing_ok=True)
                size -= file.size
                if not half:
                    gone.append(file.path.name)
        return gone

    def _folder_of(self, organization_id: str) -> Path:
        digest = hmac.digest(self._key, b"organization\0" + _bytes(organization_id), "sha256")
        return self._folder / digest.hex()[:32]


def _bytes(organization_id: str) -> bytes:
    return organization_id.encode("utf-8", "surrogatepass")


def _by_age(file: _File) -> float:
    return file.kept


def _folders_in(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except FileNotFoundError:
        return []


def _files_in(folder: Path) -> list[_File]:
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    stat = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # another process swept it, or renamed it into place
                    continue
                found.append(_File(stat.st_mtime, stat.st_ctime, stat.st_size, Path(entry.path)))
    except FileNotFoundError:
        pass
    return found
