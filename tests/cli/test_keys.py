"""`gantry keys`: the key is the last line of stdout, once, and what is said about it is true."""

import json
import os
import time
from pathlib import Path

import pytest

from gantry.board.board import FIRST_WORKER_SLOT, Board, State, Word
from gantry.core.api_key import has_key_form, key_digest
from gantry.core.vocabulary import DEFAULT_SCOPES, ContentPolicy, Environment, Scope
from gantry.home import Home, load_keyring
from gantry.routing.snapshot import KeyRecord, read_snapshot
from gantry.store.control import ControlStore, default_organization
from gantry.store.keys import KeyPolicy, add_temporary_key, find_key
from tests.cli.conftest import Run

DAY = 86_400_000_000_000


def _record(home_path: Path, key: str) -> KeyRecord | None:
    home = Home(home_path)
    keyring = load_keyring(home)
    snapshot = read_snapshot(home.snapshot.read_bytes(), keyring.snapshot)
    return snapshot.keys.find(key_digest(key, keyring.pepper))


def test_a_new_key_is_the_last_line_and_in_the_snapshot(run: Run, home_path: Path) -> None:
    result = run("keys", "create", "dev")
    key = result.stdout.splitlines()[-1]
    assert has_key_form(key)
    assert result.stdout == key + "\n"
    assert "it is live when `gantry serve` starts" in result.stderr
    record = _record(home_path, key)
    assert record is not None
    assert (record.environment, record.scopes, record.models) == (Environment.PROD, int(DEFAULT_SCOPES), ())


def test_options_of_a_key(run: Run, home_path: Path) -> None:
    options = "--env test --scope inference --scope native --models a,b --content metadata --expires 30d --json"
    shown = json.loads(run("keys", "create", "dev", *options.split()).stdout)
    record = _record(home_path, shown["key"])
    assert record is not None
    assert record.expires_at is not None
    assert abs(record.expires_at - time.time_ns() - 30 * DAY) < DAY
    assert (record.environment, record.models) == (Environment.TEST, ("a", "b"))
    assert (record.scopes, record.content_policy) == (Scope.INFERENCE | Scope.NATIVE, ContentPolicy.METADATA)
    assert (shown["scopes"], shown["prefix"]) == (["inference", "native"], shown["key"][3:11])


def test_the_list_shows_no_key(run: Run) -> None:
    key = run("keys", "create", "dev").stdout.strip()
    run("keys", "create", "old")
    run("keys", "revoke", "old")
    text = run("keys", "list").stdout
    assert key not in text
    assert [line.split()[0] for line in text.splitlines()] == ["NAME", "dev", "old"]
    assert [line.split()[-1] for line in text.splitlines()] == ["STATE", "live", "revoked"]
    listed = json.loads(run("keys", "list", "--json").stdout)
    assert listed[0]["prefix"] == key[3:11]
    assert key[12:] not in json.dumps(listed)


def test_a_revoked_key_is_revoked_in_the_snapshot(run: Run, home_path: Path) -> None:
    key = run("keys", "create", "dev").stdout.strip()
    run("keys", "revoke", key[3:11])
    record = _record(home_path, key)
    assert record is not None
    assert record.revoked


@pytest.mark.parametrize(("grace", "revoked"), [((), True), (("--grace", "1h"), False)])
def test_rotation(run: Run, home_path: Path, grace: tuple[str, ...], revoked: bool) -> None:
    old = run("keys", "create", "dev").stdout.strip()
    result = run("keys", "rotate", "dev", *grace)
    new = result.stdout.splitlines()[-1]
    assert has_key_form(new)
    assert new != old
    record = _record(home_path, old)
    assert record is not None
    assert (record.revoked, record.expires_at is None) == (revoked, revoked)
    assert f"{old[3:11]} stops working" in result.stderr
    run("keys", "revoke", "dev")
    assert "create a new key" in run("keys", "rotate", new[3:11], code=1).stderr


def test_what_is_wrong_is_said_in_one_line(run: Run) -> None:
    assert run("keys", "revoke", "nobody", code=1).stderr == (
        "Error: no API key has the id, prefix or name 'nobody'; see `gantry keys list`\n"
    )
    assert "neither a span like 30d nor a time" in run("keys", "create", "x", "--expires", "soon", code=2).stderr
    assert "'everything' is not one of" in run("keys", "create", "x", "--scope", "everything", code=2).stderr
    assert "GANTRY_MASTER_KEY must hold 64" in run("keys", "list", code=1, GANTRY_MASTER_KEY="x").stderr


def test_a_running_clerk_publishes_and_a_worker_that_is_behind_is_named(
    run: Run, home_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gantry.cli.live.TIMEOUT", 0.0)
    run("keys", "create", "first")
    home = Home(home_path)
    board = Board(home.board)
    slot = board.slot(FIRST_WORKER_SLOT)
    slot.claim(os.getpid(), time.time_ns())
    slot[Word.STATE] = State.READY
    clerk = home.lock("clerk")
    before = home.snapshot.read_bytes()
    result = run("keys", "create", "second")
    assert has_key_form(result.stdout.strip())
    assert f"NOT live yet: after 0 s, 1 of 1 workers do not route by version 3 (pid {os.getpid()})" in result.stderr
    assert home.snapshot.read_bytes() == before
    slot[Word.SNAPSHOT_VERSION] = 4
    assert "Live: 1 of 1 workers route by version 4." in run("keys", "create", "third").stderr
    clerk.release()


def test_a_key_is_changed_and_what_is_not_said_stays(run: Run, home_path: Path) -> None:
    key = run("keys", "create", "dev", "--models", "a,b", "--surface", "openai", "--surface", "ocr").stdout.strip()
    record = _record(home_path, key)
    assert record is not None
    assert (record.surfaces, record.models) == (("openai", "ocr"), ("a", "b"))
    options = "--name prod --surface mistral --scope native --expires 30d --content metadata --strict"
    result = run("keys", "change", "dev", *options.split())
    assert "Changed prod (" in result.stderr
    record = _record(home_path, key)
    assert record is not None
    assert (record.surfaces, record.models, record.scopes) == (("mistral",), ("a", "b"), Scope.NATIVE)
    assert (record.content_policy, record.strict) == (ContentPolicy.METADATA, True)
    assert record.expires_at is not None
    shown = json.loads(
        run("keys", "change", "prod", *"--models all --surface all --expires never --no-strict --json".split()).stdout
    )
    assert (shown["models"], shown["surfaces"], shown["expires_at"]) == ([], [], None)
    record = _record(home_path, key)
    assert record is not None
    assert (record.surfaces, record.models, record.expires_at, record.strict) == ((), (), None, False)
    assert (record.scopes, record.content_policy) == (Scope.NATIVE, ContentPolicy.METADATA)
    assert "say what is to change" in run("keys", "change", "prod", code=2).stderr
    assert "'moon' is not one of" in run("keys", "change", "prod", "--surface", "moon", code=2).stderr


def test_keys_that_a_key_made_are_listed_on_demand_and_revoked_with_it(run: Run, home_path: Path) -> None:
    run("keys", "create", "maker", "--scope", "inference", "--scope", "own_logs", "--scope", "manage")
    home = Home(home_path)
    with ControlStore(home.control_db) as control:
        with control.changing() as change:
            organization_id = default_organization(change.connection)
            maker = find_key(change.connection, organization_id, "maker")
            _, secret = add_temporary_key(change, maker, "made", KeyPolicy(), load_keyring(home).pepper)
    assert [one["name"] for one in json.loads(run("keys", "list", "--json").stdout)] == ["maker"]
    listed = json.loads(run("keys", "list", "--json", "--temporary").stdout)
    assert [(one["name"], one["temporary"]) for one in listed] == [("maker", False), ("made", True)]
    assert "and 1 key that it made" in run("keys", "revoke", "maker").stderr
    record = _record(home_path, secret.reveal())
    assert record is not None
    assert (record.revoked, record.bound_by) == (True, (maker.id,))


@pytest.mark.parametrize("expires", ["9999-12-31", "999999999w"])
def test_a_time_that_no_database_holds_is_refused(run: Run, expires: str) -> None:
    assert "2262" in run("keys", "create", "ci", "--expires", expires, code=2).stderr


def test_a_span_that_no_database_holds_is_refused(run: Run) -> None:
    run("keys", "create", "ci")
    assert "no span of time" in run("keys", "rotate", "ci", "--grace", "999999999w", code=2).stderr
