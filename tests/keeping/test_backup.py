"""A backup of a home under load, restored elsewhere: calls work, keys work, and the logs are those that there were."""

import errno
import gzip
import io
import json
import lzma
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from gantry.home import Home, HomeError, load_keyring
from gantry.keeping import backup
from gantry.keeping.backup import back_up
from gantry.keeping.manifest import BackupError
from gantry.keeping.restore import restore
from gantry.store.control import ControlStore
from gantry.store.control_tables import CONTROL
from gantry.store.log_tables import LOGS
from gantry.store.logs import LogStore
from gantry.store.migrate import known_revisions
from gantry.store.sqlite_copy import copy_database
from tests.e2e.node import Node, Server, await_true, bare_environment, running_node
from tests.e2e.traffic import Traffic, check_rollups, query, read_records
from tests.postgresql import needs_sqlite

pytestmark = needs_sqlite  # whoever has PostgreSQL keeps its copies with its own tools
KNOWN = {tree.name: [tree.head] for tree in (CONTROL, LOGS)}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a bit of everything, where nothing runs."""
    home = Home(tmp_path / "home")
    home.prepare()
    load_keyring(home, create=True)
    ControlStore(home.control_db).close()
    LogStore(home.logs_db).close()
    home.config.write_text("port = 0\n")
    home.prices.mkdir()
    (home.prices / "own.json").write_text("{}")
    return home


def backed_up(home: Home, target: Path, *, with_master_key: bool = False) -> Path:
    key_id = load_keyring(home).id
    return back_up(home, target, database=None, master_key_id=key_id, with_master_key=with_master_key)[0]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_backup_is_one_private_file_and_says_what_is_in_it(home: Home, tmp_path: Path) -> None:
    file = backed_up(home, tmp_path)
    assert file.parent == tmp_path
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with tarfile.open(file) as archive:
        content = archive.extractfile("manifest.json")
        assert content is not None
        manifest = json.load(content)
        names = set(archive.getnames())
    assert {found["path"] for found in manifest["files"]} | {"manifest.json"} == names
    assert manifest["revisions"] == {"control": CONTROL.head, "logs": LOGS.head}
    assert manifest["master_key_id"] == load_keyring(home).id
    assert "master.key" not in names
    assert set(os.listdir(tmp_path)) == {"home", file.name}, "nothing is left aside"
    with pytest.raises(BackupError, match="is there already"):
        backed_up(home, file)


@pytest.mark.parametrize("name", ["kept.tar", "kept.tar.gz"])
def test_what_was_backed_up_is_what_is_restored(home: Home, tmp_path: Path, name: str) -> None:
    file = backed_up(home, tmp_path / name, with_master_key=True)
    other = Home(tmp_path / "other" / "home")
    manifest = restore(file, other, known=KNOWN)
    assert manifest.has_master_key
    for kept in ("gantry.toml", "prices/own.json", "master.key"):
        assert (other.path / kept).read_bytes() == (home.path / kept).read_bytes()
        assert stat.S_IMODE((other.path / kept).stat().st_mode) == 0o600
    with ControlStore(home.control_db) as one, ControlStore(other.control_db) as two:
        assert one.version() == two.version()
    with pytest.raises(BackupError, match="is not empty: it has"):
        restore(file, other, known=KNOWN)


def test_a_home_without_its_key_makes_no_new_one(home: Home, tmp_path: Path) -> None:
    file = backed_up(home, tmp_path)
    other = Home(tmp_path / "other")
    restore(file, other, known=KNOWN)
    with pytest.raises(HomeError, match=r"master\.key is missing"):
        load_keyring(other, create=True)
    shutil.copy(home.master_key, other.master_key)
    assert load_keyring(other, create=True).pepper == load_keyring(home).pepper
    with pytest.raises(BackupError, match="nothing in it would open"):
        restore(file, Home(tmp_path / "third"), known=KNOWN, key_id="00000000")


def damaged(file: Path, name: str, change: bytes) -> None:
    """Write the archive again with another content of one member."""
    with tarfile.open(file) as archive:
        members = [(member, archive.extractfile(member)) for member in archive.getmembers()]
        contents = [(member, b"" if content is None else content.read()) for member, content in members]
    with tarfile.open(file, "w") as archive:
        for member, content in contents:
            data = change if member.name == name else content
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_what_is_not_what_was_put_into_it_restores_nothing(home: Home, tmp_path: Path) -> None:
    file = backed_up(home, tmp_path)
    damaged(file, "gantry.toml", b"port = 1\n")
    other = Home(tmp_path / "other")
    with pytest.raises(BackupError, match=r"gantry\.toml in the backup is not what was put into it"):
        restore(file, other, known=KNOWN)
    assert os.listdir(other.path) == []
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BackupError, match="no backup, or only a part of one"):
        restore(file, other, known=KNOWN)


@pytest.mark.parametrize("path", ["/etc/cron.d/x", "../x", "prices/../../x", "", ".restoring/x"])
def test_a_manifest_that_leads_out_of_the_home_is_refused(home: Home, tmp_path: Path, path: str) -> None:
    file = backed_up(home, tmp_path)
    with tarfile.open(file) as archive:
        content = archive.extractfile("manifest.json")
        assert content is not None
        manifest = json.load(content)
    manifest["files"].append({"path": path, "size": 0, "sha256": ""})
    damaged(file, "manifest.json", json.dumps(manifest).encode())
    with pytest.raises(BackupError, match="no place in a home"):
        restore(file, Home(tmp_path / "other"), known=KNOWN)


def test_a_backup_of_a_newer_version_is_refused(home: Home, tmp_path: Path) -> None:
    file = backed_up(home, tmp_path)
    with pytest.raises(BackupError, match=f"revision {LOGS.head} of the logs tables, which this version does not know"):
        restore(file, Home(tmp_path / "other"), known={"control": [CONTROL.head], "logs": ["l0001"]})
    assert LOGS.head in known_revisions(LOGS)


def test_an_interrupted_restore_is_done_again(home: Home, tmp_path: Path) -> None:
    file = backed_up(home, tmp_path)
    other = Home(tmp_path / "other")
    (other.path / ".restoring").mkdir(parents=True)
    (other.path / ".restoring" / "logs.db").write_bytes(b"half")
    (other.path / "control.db").write_bytes(b"moved already")
    restore(file, other, known=KNOWN)
    with ControlStore(other.control_db) as store:
        assert store.version() >= 1
    assert ".restoring" not in os.listdir(other.path)


def test_a_half_restored_home_is_not_begun_to_be_used(home: Home, tmp_path: Path) -> None:
    file = backed_up(home, tmp_path, with_master_key=True)
    other = Home(tmp_path / "other")
    (other.path / ".restoring").mkdir(parents=True)
    shutil.copy(home.control_db, other.control_db)
    with pytest.raises(HomeError, match="only half restored: run the same `gantry restore` again"):
        other.prepare()
    restore(file, other, known=KNOWN)
    other.prepare()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("kept.tar", b""),
        ("kept.tar", b"no tar at all" * 99),
        ("kept.tar", bytes(10_240)),
        ("kept.tar.gz", gzip.compress(bytes(10_240), mtime=0)[:10] + b"\xff" * 99),
        ("kept.tar.xz", lzma.compress(bytes(10_240))[:30] + b"\xff" * 99),
        ("manifest.json", b"{}"),
        ("manifest.json", b"\xff"),
        ("manifest.json", b"[" * 10_000),
        ("prices/a\0b", b""),
    ],
)
def test_what_is_no_backup_is_said_to_be_none(home: Home, tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / "backup"
    if name.startswith("kept"):
        file.write_bytes(content)
    else:
        file = backed_up(home, file)
        if name != "manifest.json":  # it names a file that no file system has
            with tarfile.open(file) as archive:
                read = archive.extractfile("manifest.json")
                assert read is not None
                manifest = json.load(read)
            manifest["files"].append({"path": name, "size": 0, "sha256": ""})
            name, content = "manifest.json", json.dumps(manifest).encode()
        damaged(file, name, content)
    other = Home(tmp_path / "other")
    with pytest.raises(BackupError):
        restore(file, other, known=KNOWN)
    assert not other.path.exists() or os.listdir(other.path) == []


def test_two_backups_at_once_leave_each_other_alone(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 7)  # as in two containers
    file = tmp_path / "kept" / "kept.tar"
    copies: list[Path] = []
    file.parent.mkdir()

    def copy(source: Path, copied_to: Path) -> None:
        copies.append(source)
        if len(copies) == 1:  # the first is in the middle of it when the second comes
            backed_up(home, file)
        copy_database(source, copied_to)

    monkeypatch.setattr(backup, "copy_database", copy)
    with pytest.raises(BackupError, match="is there already"):
        backed_up(home, file)
    assert len(copies) == 4
    assert os.listdir(file.parent) == [file.name]
    restore(file, Home(tmp_path / "other"), known=KNOWN)


def test_a_full_disk_leaves_nothing_of_a_backup(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "kept"
    target.mkdir()

    def refuse(source: Path, copied_to: Path) -> None:
        copied_to.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(backup, "copy_database", refuse)
    with pytest.raises(BackupError, match="No space left on device"):
        backed_up(home, target / "kept.tar")
    assert os.listdir(target) == []


def gantry_on(home: Path, *arguments: str) -> None:
    command = (sys.executable, "-m", "gantry.cli.main", *arguments, "--home", str(home))
    done = subprocess.run(command, capture_output=True, text=True, env=bare_environment(), check=False)
    assert done.returncode == 0, done.stderr


def serve_restored(node: Node, folder: Path) -> Node:
    """Serve the home in a folder as a node of its own, on another port, with the provider of the first."""
    other = object.__new__(Node)
    other.workers, other.home, other.stderr = 2, folder / "home", folder / "stderr"
    other._options, other._inside = (), None
    other.simulator, other.key = node.simulator, node.key
    other.server = Server(other.serve_command(0), other.stderr)
    other.port = other.server.port
    other.await_ready()
    return other


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_a_busy_gateway_is_backed_up_and_goes_on_elsewhere(tmp_path: Path) -> None:
    backup = tmp_path / "gantry.tar"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with running_node(tmp_path) as node:
        with Traffic(node) as traffic:
            traffic.await_more(20)
            told = {answer.log_id for answer in traffic.answers if answer.complete}
            said = node.gantry("backup", str(backup), "--with-master-key")
            assert said.stdout.strip() == str(backup)
            traffic.await_more(5)
        node.await_stored()
        there = {record.log_id: record for record in read_records(node.logs_db)}
        node.server.end()
        gantry_on(elsewhere / "home", "restore", str(backup))
        other = serve_restored(node, elsewhere)
        try:
            other.await_stored()
            found = {record.log_id: record for record in read_records(other.logs_db)}
            assert told <= found.keys(), "what was recorded before the backup is in it"
            assert found.keys() <= there.keys(), "nothing is made up"
            for log_id in told:
                assert log_id is not None
                assert found[log_id] == there[log_id]
            check_rollups(other.logs_db)
            assert other.chat("here now")[0] == 200
            await_true(lambda: other.ask("/api/request-logs/list/")[0] == 200, "the console's answer")
            doubles = query(other.logs_db, "SELECT count(*) - count(DISTINCT log_id) FROM request_logs")
            assert doubles == [(0,)]
        finally:
            other.server.kill()
