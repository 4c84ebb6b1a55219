"""A backup: all of a home that cannot be made again, in one file, taken while the gateway runs.

Law: what was recorded before it began is in it. So the journal is copied first and the logs after it: what the clerk
stored in between is in both, and a restored home stores it once, because the log has its id. The configuration comes
last: whatever a log names is there.

Left out is what is made again: the snapshot, the caches, the board, and what limits have counted. The clerk of the
restored home fills that from the sums and from what is in the journal, which is exact; a copy of counters that move
would not be. `fcntl` locks of the files that are mapped are not needed: of the memory of resources half a slot is
never believed.
"""

import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from gantry import __version__
from gantry.home import Home
from gantry.journal.copying import copy_journal
from gantry.keeping.manifest import FORMAT, MASTER_KEY, NAME, BackupError, KeptFile, Manifest, describe_file
from gantry.store.control_tables import CONTROL
from gantry.store.database import database_url
from gantry.store.log_tables import LOGS
from gantry.store.sqlite_copy import copy_database, revision_of_copy
from gantry.whole_file import sync_folder

SUFFIX: Final = ".tar"
_COMPRESSED: Final = (".gz", ".tgz")


def back_up(
    home: Home,
    target: Path,
    *,
    database: str | None,
    master_key_id: str,
    with_master_key: bool,
    clock: Callable[[], int] = time.time_ns,
) -> tuple[Path, Manifest]:
    """Write a backup to a file, or to one named by the time in a folder that is there.

    `database` is the server's URL where the databases are not files of the home; it is not in the backup. Raises
    BackupError, StoreUnavailable.
    """
    now = clock()
    if target.is_dir():
        target = target / f"gantry-{datetime.fromtimestamp(now // 10**9, UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"
    _refuse_taken(target)
    if with_master_key and not home.master_key.exists():
        raise BackupError(f"{home.master_key} is missing: the key is in GANTRY_MASTER_KEY. Keep a copy of that.")
    with _half_written(target) as (archive, staged):
        manifest = Manifest(
            format=FORMAT,
            gantry=__version__,
            made_at=now,
            engine="sqlite" if database is None else database_url(database).get_backend_name(),
            revisions={},
            master_key_id=master_key_id,
            files=(),
        )
        files: list[KeptFile] = []
        revisions: dict[str, str] = {}
        for found in _staged(home, staged, database is None, with_master_key):
            for tree, name in ((CONTROL, home.control_db.name), (LOGS, home.logs_db.name)):
                if found.name == name:
                    revisions[tree.name] = revision_of_copy(found, tree) or ""
            files.append(describe_file(staged, found))
            archive.add(found, files[-1].path, recursive=False)
            found.unlink()  # two copies of one file at a time, not of all
        manifest = msgspec.structs.replace(manifest, files=tuple(files), revisions=revisions)
        (staged / NAME).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        archive.add(staged / NAME, NAME, recursive=False)
    return target, manifest


@contextmanager
def _half_written(target: Path) -> Iterator[tuple[tarfile.TarFile, Path]]:
    """Open a file aside, which gets its name when all is in it, and a folder to copy to: nobody else's, whose pid it
    ever is that writes another backup beside this one.
    """
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        aside, staged = folder / "archive", folder / "files"
        staged.mkdir(mode=0o700)
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            mode = "w:gz" if target.suffix in _COMPRESSED else "w"
            with tarfile.open(fileobj=file, mode=mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
                yield archive, staged
            file.flush()
            os.fsync(file.fileno())
        _refuse_taken(target)  # by another backup meanwhile
        aside.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise BackupError(f"{target} cannot be written: {error.strerror or error}. Nothing is left of it.") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _refuse_taken(target: Path) -> None:
    if target.exists():
        raise BackupError(f"{target} is there already; name another file, or a folder.")


def _staged(home: Home, staged: Path, with_databases: bool, with_master_key: bool) -> Iterator[Path]:
    """Yield the files of a home, each as a copy; the caller takes it away. In this order, see the law."""
    copy_journal(home.journal, staged / home.journal.name)
    yield from _files_in(staged / home.journal.name)
    if with_databases:
        for path in (home.logs_db, home.control_db):
            if not path.exists():
                raise BackupError(f"{path} is missing: {home.path} is no home, or was never started.")
            copy_database(path, staged / path.name)
            yield staged / path.name
    for folder in (home.rejected, home.prices):
        for path in _files_in(folder):
            yield from _copied(home, path, staged)
    for path in (home.resources, home.corrected_shared, home.config):
        yield from _copied(home, path, staged)
    if with_master_key:
        assert home.master_key.name == MASTER_KEY
        yield from _copied(home, home.master_key, staged)


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def _copied(home: Home, path: Path, staged: Path) -> Iterator[Path]:
    """Yield a copy of a file of the home; nothing where there is none."""
    copy = staged / path.relative_to(home.path)
    copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        shutil.copy2(path, copy)
    except FileNotFoundError:
        return
    copy.chmod(0o600)
    yield copy
