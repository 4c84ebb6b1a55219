"""The master key's rotation: another key in place of the one that seals, while the gateway runs.

Law: at every moment each sealed value opens, with the keys that the home has then. First the next key is put into the
home, sealed under the one before: from then on it seals and both open, in every process, which looks at the file before
it seals and when it meets a key it does not know. Then all is sealed anew, store, snapshot, files. Only when nothing is
left under the key before, the next one takes its place. Killed anywhere, the same command goes on; what is done twice
is done to no harm.

API keys, resources and remembered turns go on being known: what they are digested under is handed on
(`gantry.core.master_key`). Sessions end, and links that were sent.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from gantry.core.sealing import KEY_BYTES, SealBroken, Sealer
from gantry.home import Home, Keyring, MasterKeys
from gantry.keeping import KeepingRefused
from gantry.routing.snapshot import SnapshotUnreadable, read_snapshot
from gantry.store.control import ControlStore
from gantry.store.resealing import SealedForNobody, count_sealed_before, reseal
from gantry.store.vault import Vault
from gantry.whole_file import sync_folder, write_whole

_HIDDEN = "."


class RotationRefused(KeepingRefused):
    """The master key is not rotated, or not to the end; the message says what to do."""


class Rotated(Struct, frozen=True):
    """What a rotation did. `text` is what GANTRY_MASTER_KEY has to be, where the key is in the environment."""

    key_id: str
    stored: int
    files: int
    text: str | None


class Rotation:
    """The rotation of one home, from wherever one before it stopped."""

    def __init__(
        self, home: Home, environment_key: str | None, reached: Callable[[str], object] = lambda step: None
    ) -> None:
        """`reached` is told each step that is done. Raises HomeError."""
        self._home = home
        self._is_in_environment = environment_key is not None
        self._keys = MasterKeys(home, environment_key)
        self._reached = reached

    @property
    def has_begun(self) -> bool:
        return self._keys.following is not None

    def begin(self) -> None:
        """Put the next key into the home, unless it is there."""
        if not self.has_begun:
            self._keys.begin(self._keys.current.successor(secrets.token_bytes(KEY_BYTES)))
        self._reached("begun")

    def run(self, control: ControlStore, make_live: Callable[[int], None]) -> Rotated:
        """Rotate to the end. `make_live` returns when workers route by a version of the configuration, or raises.

        Raises RotationRefused, StoreUnavailable, OSError, or what `make_live` raises.
        """
        self.begin()
        keyring = Keyring(self._keys)
        vault = Vault(keyring.vault)
        try:
            with control.changing() as change:
                stored = reseal(change, vault, keyring.id)
        except SealedForNobody as error:
            raise RotationRefused(str(error)) from error
        self._reached("stored")
        make_live(change.version)
        self._check_snapshot()
        self._reached("live")
        files = reseal_files(self._home.turns, keyring.turns) + reseal_files(self._home.responses, keyring.responses)
        self._reached("files")
        with control.reading() as connection:
            left = count_sealed_before(connection, vault)
        if left:
            raise RotationRefused(
                f"{left} secrets were set meanwhile under the key before. Run the same command again."
            )
        return Rotated(keyring.id, stored, files, self._finish())

    def _check_snapshot(self) -> None:
        """See that workers find a snapshot that the next key opens alone. Raises RotationRefused."""
        assert self._keys.following is not None
        only = (self._keys.following,)
        try:
            read_snapshot(self._home.snapshot.read_bytes(), Keyring(lambda: only).snapshot)
        except FileNotFoundError:
            return
        except (SealBroken, SnapshotUnreadable):
            raise RotationRefused(
                "the snapshot is still under the key before: the clerk has not published. See `gantry status`, and run "
                "the same command again; until then both keys hold."
            ) from None

    def _finish(self) -> str | None:
        following = self._keys.following
        assert following is not None
        if self._is_in_environment:
            return following.text()
        write_whole(self._home.master_key, f"{following.text()}\n".encode())
        self._reached("written")
        self._home.next_key.unlink()
        sync_folder(self._home.path)
        self._reached("over")
        return None


def reseal_files(folder: Path, sealer: Sealer) -> int:
    """Seal anew what is kept in the files of a folder, each sealed for its name; return how many.

    In place, for a file that is deleted meanwhile must not come back, and nobody may see it half. What is killed within
    the one write of a file costs that file, which is a memory and no record.
    """
    count = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        if path.name.startswith(_HIDDEN) or not path.is_file():
            continue
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        with os.fdopen(fd, "r+b", buffering=0) as file:
            times = os.fstat(fd)
            sealed = file.read()
            if sealer.is_current(sealed):
                continue
            try:
                anew = sealer.seal(sealer.open(sealed, path.name.encode()), path.name.encode())
            except SealBroken:  # under a key from before the last rotation: nobody opens it
                continue
            os.pwrite(fd, anew, 0)
            os.utime(fd, ns=(times.st_atime_ns, times.st_mtime_ns))
            count += 1
    return count
