"""A backup restored: into a home that is empty, all of it or nothing, on this machine or another.

Law: everything is checked aside, inside the home, before anything stands in its place. A folder of that name that is
found is a restore that was interrupted: what there is belongs to it, and it begins anew.
"""

import lzma
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from gantry.home import Home
from gantry.keeping.manifest import NAME, BackupError, KeptFile, Manifest, digest_of, read_manifest
from gantry.whole_file import sync_folder

_NOBODYS: Final = frozenset(("lost+found",))  # of a file system's own


def restore(source: Path, home: Home, *, known: Mapping[str, Iterable[str]], key_id: str | None = None) -> Manifest:
    """Restore a backup and return what is in it. Raises BackupError.

    `known` are the revisions that this version can migrate, by tree; `key_id` is that of the master key that the new
    home will have, where it is known already.
    """
    aside = home.restoring
    _refuse_what_is_there(home)
    whole = False
    try:
        with tarfile.open(source, "r:*") as archive:
            manifest = read_manifest(_read(archive, NAME))
            _refuse_newer(manifest, known)
            if key_id is not None and key_id != manifest.master_key_id:
                raise BackupError(
                    f"GANTRY_MASTER_KEY is the key {key_id}, and the backup was made under {manifest.master_key_id}; "
                    "nothing in it would open. Set that one."
                )
            home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            aside.mkdir(mode=0o700)
            for file in manifest.files:
                _extract(archive, file, aside)
        if not manifest.has_master_key:
            (aside / home.needed_key.name).write_text(f"{manifest.master_key_id}\n")
        whole = True
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, OverflowError) as error:
        raise BackupError(f"{source} is no backup, or only a part of one: {error}") from error
    except OSError as error:
        raise BackupError(f"{source} cannot be restored to {home.path}: {error}") from error
    finally:
        if not whole:
            _clear(home.path, [aside.name])
    for path in sorted(aside.iterdir()):
        path.replace(home.path / path.name)
    sync_folder(home.path)
    aside.rmdir()
    return manifest


def _refuse_what_is_there(home: Home) -> None:
    """Refuse a home that has something in it, unless that is what an interrupted restore left."""
    try:
        names = set(os.listdir(home.path)) - _NOBODYS
    except FileNotFoundError:
        return
    if home.restoring.name in names:
        _clear(home.path, names - {home.restoring.name})
        _clear(home.path, [home.restoring.name])
    elif names:
        raise BackupError(
            f"{home.path} is not empty: it has {', '.join(sorted(names)[:3])}. "
            "Name another with --home, or move it away."
        )


def _clear(home: Path, names: Iterable[str]) -> None:
    for name in names:
        path = home / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _refuse_newer(manifest: Manifest, known: Mapping[str, Iterable[str]]) -> None:
    for tree, revision in manifest.revisions.items():
        if revision and revision not in known.get(tree, ()):
            raise BackupError(
                f"the backup has revision {revision} of the {tree} tables, which this version does not know: it was "
                f"made by Gantry {manifest.gantry}. Restore it with that version, or a newer one."
            )


def _member(archive: tarfile.TarFile, name: str) -> tuple[BinaryIO, float]:
    try:
        member = archive.getmember(name)
    except KeyError:
        raise BackupError(f"{archive.name!s} has no {name}: it is no backup, or only a part of one") from None
    content = archive.extractfile(member)
    if content is None:
        raise BackupError(f"{name} in the backup is no file")
    return content, member.mtime  # type: ignore[return-value]


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    return _member(archive, name)[0].read()


def _extract(archive: tarfile.TarFile, file: KeptFile, into: Path) -> None:
    """Write one file, and see that it is what the manifest says. Raises BackupError."""
    path = into / file.path
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content, written = _member(archive, file.path)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as target:
        found = digest_of(content, target)
        target.flush()
        os.fsync(target.fileno())
    if found != (file.size, file.sha256):
        raise BackupError(
            f"{file.path} in the backup is not what was put into it ({found[0]} of {file.size} bytes, or other ones); "
            "nothing was restored. Take another copy of the backup."
        )
    os.utime(path, (written, written))
