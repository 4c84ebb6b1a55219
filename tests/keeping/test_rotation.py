"""The master key rotated: everything opens at every moment, nothing opens with the key before, and no call notices."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from gantry.cli import secrets
from gantry.core.master_key import MasterKey, read_master_key
from gantry.core.sealing import SealBroken
from gantry.home import Home, HomeError, Keyring, MasterKeys, load_keyring
from gantry.keeping.rotation import Rotation, RotationRefused, reseal_files
from gantry.routing.snapshot import read_snapshot
from gantry.store.control import ControlStore
from gantry.store.control_tables import alert_channels
from gantry.store.resealing import count_sealed_before
from gantry.store.vault import Vault
from tests.e2e.node import await_true, running_node
from tests.e2e.traffic import Traffic, take_account
from tests.keeping.sealed_home import check_all_opens, make_sealed_home, publish

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT_KEY = "ab" * 32


def rotate(home: Home, environment_key: str | None = None) -> str | None:
    """Rotate where nothing runs; return what the environment has to be set to."""
    keyring = load_keyring(home, environment_key)
    with ControlStore(home.control_db) as control:
        done = Rotation(home, environment_key).run(control, lambda _: publish(home, keyring, control))
    return done.text


def opens_nothing(home: Home, old: MasterKey) -> None:
    """Assert that what is in the home does not open with a key from before."""
    keyring = Keyring(lambda: (old,))
    with pytest.raises(SealBroken):
        read_snapshot(home.snapshot.read_bytes(), keyring.snapshot)
    with ControlStore(home.control_db) as control, control.reading() as connection:
        assert count_sealed_before(connection, Vault(keyring.vault)) == 2
    for folder, sealer in ((home.turns, keyring.turns), (home.responses, keyring.responses)):
        for path in folder.rglob("*"):
            if path.is_file():
                with pytest.raises(SealBroken):
                    sealer.open(path.read_bytes(), path.name.encode())


def test_a_master_key_is_written_and_read() -> None:
    old = MasterKey(b"k" * 32)
    new = old.successor(b"n" * 32)
    assert read_master_key(old.text() + "\n") == old
    assert read_master_key(new.text()) == new
    assert new.names != b""
    assert new.successor(b"m" * 32).names == new.names
    for purpose in ("api-key-pepper", "resources", "turn-names", "response-names"):
        assert new.name(purpose) == old.name(purpose)
    assert old.text() not in new.text()
    assert "6e6e" not in repr(new)
    for text in ("", "ab" * 31, "zz" * 32, "ab" * 32 + ".", "ab" * 32 + ".ab"):
        assert read_master_key(text) is None


def test_after_a_rotation_all_opens_and_nothing_with_the_key_before(tmp_path: Path) -> None:
    home, key = make_sealed_home(tmp_path / "home")
    old = read_master_key(home.master_key.read_text())
    assert old is not None
    running = load_keyring(home)  # of a process that was started before
    assert rotate(home) is None
    assert not home.next_key.exists()
    check_all_opens(home, key)
    opens_nothing(home, old)
    assert read_snapshot(home.snapshot.read_bytes(), running.snapshot).version >= 1, "it looks for the key it meets"
    assert running.vault.key_id == load_keyring(home).vault.key_id
    rotate(home)
    check_all_opens(home, key)


def test_a_key_in_the_environment_is_rotated_and_said(tmp_path: Path) -> None:
    home, key = make_sealed_home(tmp_path / "home", ENVIRONMENT_KEY)
    text = rotate(home, ENVIRONMENT_KEY)
    assert text is not None
    assert not home.master_key.exists()
    assert text.encode() not in home.next_key.read_bytes(), "it lies there sealed"
    check_all_opens(home, key, ENVIRONMENT_KEY)  # until the environment is changed
    assert rotate(home, ENVIRONMENT_KEY) == text, "asked again, it is said again"
    check_all_opens(home, key, text)
    MasterKeys(home, text).forget_rotation()
    assert not home.next_key.exists()
    check_all_opens(home, key, text)
    with pytest.raises(SealBroken):
        check_all_opens(home, key, ENVIRONMENT_KEY)


def test_a_key_that_is_neither_before_nor_after_is_refused(tmp_path: Path) -> None:
    home, _ = make_sealed_home(tmp_path / "home", ENVIRONMENT_KEY)
    Rotation(home, ENVIRONMENT_KEY).begin()
    with pytest.raises(HomeError, match="belongs to a rotation from another one"):
        load_keyring(home, "cd" * 32)


def test_a_secret_that_does_not_open_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    home, key = make_sealed_home(tmp_path / "home")
    with ControlStore(home.control_db) as control:
        with control.noting() as connection:
            connection.execute(update(alert_channels).values(sealed=bytes.fromhex("00112233445566778899")))
        with pytest.raises(RotationRefused, match="the target of the channel hook does not open"):
            rotate(home)
        with control.noting() as connection:
            connection.exec_driver_sql("DELETE FROM alert_channels")
    rotate(home)
    assert key


def test_a_second_rotation_of_a_home_waits_for_its_turn(tmp_path: Path) -> None:
    home, _ = make_sealed_home(tmp_path / "home")
    lock = home.lock("rotation")
    refused = CliRunner().invoke(secrets.group, ["rotate", "--home", str(home.path)])
    assert refused.exit_code == 1
    assert "in use by another gantry rotation" in refused.output
    assert not home.next_key.exists()
    lock.release()
    assert CliRunner().invoke(secrets.group, ["rotate", "--home", str(home.path)]).exit_code == 0


def test_a_file_deleted_meanwhile_does_not_come_back(tmp_path: Path) -> None:
    home, _ = make_sealed_home(tmp_path / "home")
    Rotation(home, None).begin()
    sealer = load_keyring(home).turns
    times = [path.stat().st_mtime_ns for path in home.turns.iterdir()]
    assert reseal_files(home.turns, sealer) == 1
    assert reseal_files(home.turns, sealer) == 0
    assert [path.stat().st_mtime_ns for path in home.turns.iterdir()] == times
    assert reseal_files(home.cache / "nowhere", sealer) == 0


STEPS = [
    "begun",
    "UPDATE credential_secrets",
    "UPDATE alert_channels",
    "DELETE FROM sessions",
    "COMMIT",
    "stored",
    "live",
    "files",
]


def run_killed(home: Home, step: str, environment_key: str | None = None) -> int:
    command = [sys.executable, "-m", "tests.keeping.killed_rotation", str(home.path), step]
    environment = {**os.environ} | ({} if environment_key is None else {"GANTRY_MASTER_KEY": environment_key})
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("step", [*STEPS, "written"])
def test_killed_after_any_step_all_opens_and_the_same_command_goes_on(tmp_path: Path, step: str) -> None:
    home, key = make_sealed_home(tmp_path / "home")
    old = read_master_key(home.master_key.read_text())
    assert old is not None
    assert run_killed(home, step) == -signal.SIGKILL
    check_all_opens(home, key)
    rotate(home)
    check_all_opens(home, key)
    opens_nothing(home, old)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["begun", "stored", "files"])
def test_killed_with_a_key_in_the_environment_it_goes_on_too(tmp_path: Path, step: str) -> None:
    home, key = make_sealed_home(tmp_path / "home", ENVIRONMENT_KEY)
    assert run_killed(home, step, ENVIRONMENT_KEY) == -signal.SIGKILL
    check_all_opens(home, key, ENVIRONMENT_KEY)
    text = rotate(home, ENVIRONMENT_KEY)
    assert text is not None
    check_all_opens(home, key, text)


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_a_rotation_under_load_is_noticed_by_no_call(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        before = (node.home / "master.key").read_text()
        await_true(lambda: node.ask("/api/request-logs/list/")[0] == 200, "a console")
        console = node.pid_of("console")
        with Traffic(node) as traffic:
            traffic.await_more(10)
            said = node.gantry("secrets", "rotate", "--alone").stderr
            assert "Live: 2 of 2 workers" in said, said
            traffic.await_more(10)
        assert (node.home / "master.key").read_text() != before
        account = take_account(node, traffic)
        account.check_nothing_lost()
        assert all(answer.complete and answer.status == 200 for answer in account.answers)
        node.await_another("console", console)
        added = node.gantry("keys", "create", "later").stdout.split()[-1]
        assert node.chat("with a new key", added)[0] == 200
        killed = node.kill("worker")
        node.await_another("worker", killed)
        assert node.chat("from a worker that knows the new key alone")[0] == 200
