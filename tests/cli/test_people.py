"""`gantry console`, `people` and `audit`: the way in, who may take it, and what they did."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from gantry.core.sign_in_tokens import read_reset, setup_token
from gantry.home import Home, load_keyring
from gantry.store.control import ControlStore, default_organization
from gantry.store.control_tables import audit_entries
from tests.cli.conftest import Run


def test_the_link_that_claims_it(run: Run, home_path: Path) -> None:
    link = run("console", "link").stdout.strip()
    home = Home(home_path)
    with ControlStore(home.control_db) as control, control.reading() as connection:
        token = setup_token(load_keyring(home).session, default_organization(connection))
    assert link == f"http://127.0.0.1:8790/ui/claim?token={token}"
    assert run("console", "link", GANTRY_PUBLIC_URL="https://gantry.test/").stdout.startswith("https://gantry.test/ui/")
    assert run("console", "link", "--url", "http://x:1/").stdout.startswith("http://x:1/ui/claim?")
    run("people", "add", "ada@example.com", "--role", "owner")
    claimed = run("console", "link")
    assert claimed.stdout.strip() == "http://127.0.0.1:8790/ui"
    assert "It is claimed" in claimed.stderr


def test_people_are_added_listed_changed_and_removed(run: Run) -> None:
    added = run("people", "add", " Ada@Example.com", "--role", "owner", "--name", "Ada")
    parts = urlsplit(added.stdout.strip())
    reset = read_reset(parse_qs(parts.query)["token"][0])
    (ada,) = json.loads(run("people", "list", "--json").stdout)
    assert (ada["email"], ada["name"], ada["role"]) == ("ada@example.com", "Ada", "owner")
    assert parts.path == "/ui/reset"
    assert reset is not None
    assert reset.person_id == ada["id"]
    run("people", "add", "ada@example.com", code=1)
    run("people", "add", "nobody", code=2)
    run("people", "add", "grace@example.com")
    assert "an owner" in run("people", "set-role", "ada@example.com", "admin", code=1).output
    run("people", "set-role", "grace@example.com", "owner")
    run("people", "set-role", "ada@example.com", "admin")
    assert "one owner at least" in run("people", "remove", "grace@example.com", code=1).output
    run("people", "remove", "ADA@example.com")
    assert [line.split()[0] for line in run("people", "list").stdout.splitlines()[1:]] == ["grace@example.com"]
    assert "nobody has the address" in run("people", "reset-password", "ada@example.com", code=1).output


def test_a_person_in_two_organizations_stays_in_the_other(run: Run) -> None:
    run("organizations", "add", "Second")
    run("people", "add", "ada@example.com")
    again = run("people", "add", "ada@example.com", "--org", "Second", "--role", "viewer")
    assert "sets a password here" in again.stderr  # she has none yet
    run("people", "remove", "ada@example.com")
    assert json.loads(run("people", "list", "--org", "Second", "--json").stdout)[0]["role"] == "viewer"
    assert "does not belong to it" in run("people", "remove", "ada@example.com", code=1).output


def test_what_was_changed_is_listed_and_checked(run: Run, home_path: Path) -> None:
    run("keys", "create", "dev")
    run("providers", "add", "mistral", "--api-key", "canary-secret")
    run("limits", "add", "--organization", "--cost", "5", "--per", "day")
    listed = run("audit", "list", "--json").stdout
    assert "canary" not in listed
    entries = json.loads(listed)
    assert [entry["action"] for entry in entries] == ["limit.added", "credential.added", "api_key.created"]
    assert {entry["actor"] for entry in entries} == {"command_line"}
    assert [line.split()[0] for line in run("audit", "list", "-n", "2").stdout.splitlines()] == ["NO", "3", "2"]
    verified = run("audit", "verify").stdout.split()
    assert verified[1] == "3"
    with ControlStore(Home(home_path).control_db) as control, control.noting() as connection:
        connection.execute(audit_entries.update().values(actor_name="eve"))
    broken = run("audit", "verify", code=1)
    assert broken.stdout.split() == verified
    assert "default: entry 1 is not what was written" in broken.stderr
