"""`gantry doctor`: one broken home per illness, and the healthy ones it must not alarm about."""

import json
import os
import secrets
import sqlite3
import time
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from gantry.board.board import CLERK_SLOT, CONSOLE_SLOT, FIRST_WORKER_SLOT, SUPERVISOR_SLOT, Board
from gantry.cli import doctor
from gantry.cli.doctor import examine, look_at_python, missing
from gantry.cli.finding import Finding, Verdict
from gantry.cli.main import gantry
from gantry.console.node_status import NodeStatus, read_status
from gantry.core.secret import Secret
from gantry.home import Home, load_keyring
from gantry.journal.frames import FrameKind, LogPosted, encode_payload
from gantry.journal.segments import encode_frame, mark_of, segment_name
from gantry.journal.writer import JournalWriter
from gantry.routing.snapshot import Body, CredentialRecord, build_key_table, seal_table, write_snapshot
from gantry.store.control import ControlStore
from gantry.store.logs import LogStore, RecordBatch
from tests.postgresql import needs_sqlite

OF_THE_MACHINE = ("disk", "python")
POSTED = encode_payload(LogPosted("a" * 32, "o", "k", "prod", 0, "full", b"{}"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home as a node leaves it."""
    home = Home(tmp_path / "home")
    home.prepare()
    load_keyring(home, create=True)
    ControlStore(home.control_db).close()
    LogStore(home.logs_db).close()
    publish(home, CredentialRecord("c", "o", "mistral", "main", "https://api.mistral.ai", {"api_key": Secret("s")}))
    return home


def publish(home: Home, *credentials: CredentialRecord) -> None:
    sealer = load_keyring(home).snapshot
    body = Body(4, time.time_ns(), "table", (), credentials, {})
    home.snapshot.write_bytes(write_snapshot(body, seal_table(build_key_table([]), sealer), [], sealer))
    home.snapshot.chmod(0o600)


def findings(home: Home) -> list[Finding]:
    return list(examine(home))


def the(home: Home, subject: str, verdict: Verdict) -> Finding:
    """Return the one finding of this verdict about this subject, and check that nothing else fails."""
    found = [finding for finding in findings(home) if (finding.subject, finding.verdict) == (subject, verdict)]
    assert len(found) == 1, findings(home)
    return found[0]


@needs_sqlite
def test_a_healthy_home_gets_no_advice(home: Home) -> None:
    assert [finding for finding in findings(home) if finding.advice and finding.subject not in OF_THE_MACHINE] == []
    result = CliRunner().invoke(gantry, ["doctor", "--home", str(home.path)])
    assert result.exit_code == 0
    assert "version 4 opens" in result.output


@pytest.mark.parametrize(
    ("configured", "prefix", "verdict"),
    [
        ("'--enable-shared' '--enable-optimizations' '--with-lto'", "/usr/local", Verdict.OK),
        ("'--enable-shared' '--with-computed-gotos'", "/usr", Verdict.OK),  # Debian's own
        (None, "C:\\Python", Verdict.OK),  # not known
        (
            "'--prefix=/home/me/.pyenv/versions/3.11.7' '--enable-shared'",
            "/home/me/.pyenv/versions/3.11.7",
            Verdict.WARN,
        ),
        ("", "/opt/python", Verdict.WARN),
    ],
)
def test_an_interpreter_built_without_optimizations_is_mentioned(
    configured: str | None, prefix: str, verdict: Verdict
) -> None:
    assert look_at_python(configured, prefix).verdict is verdict


def test_nothing_is_changed_by_looking(home: Home, tmp_path: Path) -> None:
    findings(home)
    findings(Home(tmp_path / "elsewhere"))
    assert not (tmp_path / "elsewhere").exists()
    assert not home.board.exists()


def test_a_new_home_is_no_failure(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    home.prepare()
    load_keyring(home, create=True)
    assert Counter(finding.verdict for finding in findings(home))[Verdict.FAIL] == 0
    assert the(home, "snapshot", Verdict.WARN).message == "none has been published yet"
    assert not home.logs_db.exists()


def test_a_missing_home_is_named_and_fails(tmp_path: Path) -> None:
    result = CliRunner().invoke(gantry, ["doctor", "--home", str(tmp_path / "nowhere"), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.output)[0]["subject"] == "home"


def test_a_master_key_that_others_may_read(home: Home) -> None:
    home.master_key.chmod(0o644)
    assert "chmod" in str(the(home, "home", Verdict.FAIL).advice)


def test_a_missing_master_key(home: Home) -> None:
    home.master_key.unlink()
    assert "is missing" in the(home, "master key", Verdict.FAIL).message


def test_a_snapshot_sealed_with_another_key(home: Home) -> None:
    home.master_key.write_text(secrets.token_hex(32))
    assert "writes it anew" in str(the(home, "snapshot", Verdict.FAIL).advice)


def test_a_snapshot_without_credentials(home: Home) -> None:
    publish(home)
    assert "gantry providers add" in str(the(home, "credentials", Verdict.WARN).advice)


@needs_sqlite
@pytest.mark.parametrize("name", ["control.db", "logs.db"])
def test_a_database_that_is_none(home: Home, name: str) -> None:
    (home.path / name).write_bytes(b"not a database, " * 4096)
    assert "backup" in str(the(home, name, Verdict.FAIL).advice)


@needs_sqlite
def test_a_database_with_a_broken_page(home: Home) -> None:
    with sqlite3.connect(home.logs_db) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(home.logs_db.read_bytes())
    page = int.from_bytes(data[16:18])  # its size
    data[page : page + 4096] = bytes(range(256)) * 16
    home.logs_db.write_bytes(data)
    the(home, "logs.db", Verdict.FAIL)


@needs_sqlite
def test_unread_frames_are_counted_from_the_checkpoint(home: Home) -> None:
    writer = JournalWriter(home.journal)
    for _ in range(3):
        writer.append(FrameKind.LOG_POSTED, POSTED)
    writer.close()
    assert "3 unread frames in 1 journals (0 being written)" in the(home, "journal", Verdict.OK).message
    frame_bytes = len(encode_frame(FrameKind.LOG_POSTED, POSTED, mark_of(writer.incarnation, 1)))
    store = LogStore(home.logs_db)
    store.record(RecordBatch(checkpoints={writer.incarnation: (1, 2 * frame_bytes)}))
    store.close()
    assert the(home, "journal", Verdict.OK).message.startswith("1 unread frames")
    assert len(list(home.journal.iterdir())) == 1, "looking must not delete what was read"


def test_torn_and_foreign_frames(home: Home) -> None:
    writer = JournalWriter(home.journal)
    writer.append(FrameKind.LOG_POSTED, POSTED)
    writer.append(FrameKind.LOG_POSTED, b"\xc1 is no msgpack")
    writer.close()
    with (home.journal / writer.incarnation / segment_name(1)).open("ab") as segment:
        segment.write(mark_of(writer.incarnation, 1).magic + b"torn")
    assert "1 frames cannot be read" in the(home, "journal", Verdict.FAIL).message
    assert "8 bytes" in the(home, "journal", Verdict.WARN).message


@pytest.mark.parametrize(("seconds", "verdict"), [(1, Verdict.WARN), (61, Verdict.FAIL)])
def test_a_process_that_is_missing(home: Home, seconds: int, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is still starting is nothing to get up for."""
    monkeypatch.setattr(doctor, "_SECONDS_TO_COME_AGAIN", 0.0)
    board = Board(home.board)
    board.slot(SUPERVISOR_SLOT).claim(os.getpid(), time.time_ns() - seconds * 10**9)
    board.slot(CLERK_SLOT).claim(os.getpid(), time.time_ns())
    board.slot(FIRST_WORKER_SLOT).claim(os.getpid(), time.time_ns())
    assert "console" in the(home, "processes", verdict).message
    board.slot(CONSOLE_SLOT).claim(os.getpid(), time.time_ns())
    board.slot(FIRST_WORKER_SLOT).release()
    assert "worker" in the(home, "processes", verdict).message


def test_a_process_that_is_started_again_is_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(home.board)
    board.slot(SUPERVISOR_SLOT).claim(os.getpid(), time.time_ns() - 100 * 10**9)
    board.slot(CLERK_SLOT).claim(os.getpid(), time.time_ns())
    board.slot(FIRST_WORKER_SLOT).claim(os.getpid(), time.time_ns())
    looks: list[NodeStatus] = []

    def look(home: Home) -> NodeStatus:
        if looks:  # it came between the two
            board.slot(CONSOLE_SLOT).claim(os.getpid(), time.time_ns())
        looks.append(read_status(home))
        return looks[-1]

    monkeypatch.setattr(doctor, "read_status", look)
    assert "FAIL" not in {finding.verdict.name for finding in examine(home) if finding.subject == "processes"}
    assert [missing(status) for status in looks] == [["console"], []]


def test_a_full_disk(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_NO_DISK", 1 << 62)
    assert "Make room" in str(the(home, "disk", Verdict.FAIL).advice)


@pytest.mark.parametrize("name", ["board", "snapshot", "next-key"])
def test_what_cannot_be_read_is_a_finding_and_no_traceback(home: Home, name: str) -> None:
    """As for somebody who is not the gateway's user; root may read everything, so it is a folder here."""
    (home.path / name).unlink(missing_ok=True)
    (home.path / name).mkdir()
    assert name in the(home, "files", Verdict.FAIL).message
