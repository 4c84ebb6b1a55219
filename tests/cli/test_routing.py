"""`gantry routing` and `gantry groups`: one document, changed as a whole or in parts, with a history to go back in."""

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from gantry.core.routing_document import MOST_BYTES, read_rules
from gantry.core.routing_rules import Affinity, RoutingRules, Strategy
from gantry.home import Home, load_keyring
from gantry.routing.snapshot import read_snapshot
from gantry.store.control import ControlStore, default_organization
from gantry.store.credentials import ManagedBy
from gantry.store.routing_rules import current_rules, write_rules
from tests.cli.conftest import Run

DOCUMENT = {"fallback_models": ["mistral/a"], "retries": {"num_retries": 2, "retry_after": 0.5}}


def live(home_path: Path) -> RoutingRules:
    """Return the rules that workers would route by."""
    home = Home(home_path)
    snapshot = read_snapshot(home.snapshot.read_bytes(), load_keyring(home).snapshot)
    (rules,) = snapshot.body.routing_rules.values()
    return rules


def shown(run: Run) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(run("routing", "show", "--json").stdout)
    return item


def kept(home_path: Path) -> str:
    with ControlStore(Home(home_path).control_db) as control, control.reading() as connection:
        return current_rules(connection, default_organization(connection)).text


@pytest.fixture(autouse=True)
def _credential(run: Run) -> None:
    run("providers", "add", "mistral", "--api-key", "k")


@pytest.mark.slow
def test_rules_are_set_shown_compared_and_rolled_back(run: Run, home_path: Path, tmp_path: Path) -> None:
    nothing = run("routing", "show")
    assert (json.loads(nothing.stdout), "No routing rules were written yet." in nothing.stderr) == ({}, True)
    (tmp_path / "rules.json").write_text(json.dumps(DOCUMENT, indent=4))
    said = run("routing", "set", str(tmp_path / "rules.json"), "--note", "a start").stderr
    assert "The routing rules are at version 1." in said
    assert "it is live when `gantry serve` starts" in said
    assert live(home_path) == read_rules(DOCUMENT)
    first = kept(home_path)
    run("routing", "set", "-", stdin='{"cache": {"enabled": true}}')
    assert live(home_path).cache.enabled

    compared = run("routing", "diff", "1").stdout.splitlines()
    assert compared[:2] == ["--- version 1", "+++ version 2"]
    assert '+    "enabled": true' in compared
    assert run("routing", "diff", "2", "1").stdout.splitlines()[1] == "+++ version 1"
    assert "The routing rules are at version 3." in run("routing", "rollback", "1").stderr
    assert kept(home_path) == first
    assert live(home_path) == read_rules(DOCUMENT)
    pretty = run("routing", "show")
    assert json.loads(pretty.stdout) == DOCUMENT
    assert "Version 3, by " in pretty.stderr
    assert pretty.stderr.strip().endswith("as in version 1")

    rows = run("routing", "history").stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["VERSION", "3", "2", "1"]
    assert rows[-1].endswith("a start")
    versions = json.loads(run("routing", "history", "--json").stdout)
    assert [one["version"] for one in versions] == [3, 2, 1]
    assert versions[0]["author"].endswith("command line)")
    run("routing", "set", "-", stdin=pretty.stdout)  # what is shown can be set
    assert shown(run)["version"] == 3


@pytest.mark.slow
def test_who_has_not_seen_the_newest_version_changes_nothing(run: Run, home_path: Path) -> None:
    run("routing", "set", "-", "--version", "0", stdin=json.dumps(DOCUMENT))
    before = kept(home_path)
    refused = run("routing", "set", "-", "--version", "0", code=1, stdin="{}")
    assert "the routing rules are at version 1, and the change was made from 0" in refused.stderr
    assert kept(home_path) == before


def editor(folder: Path, script: str) -> str:
    """Return an editor that runs a script on the file."""
    path = folder / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.slow
def test_the_document_is_changed_in_an_editor(run: Run, home_path: Path, tmp_path: Path) -> None:
    run("routing", "set", "-", stdin=json.dumps(DOCUMENT))
    run("routing", "edit", EDITOR=editor(tmp_path, """sed -i 's,mistral/a,mistral/b,' "$1" """))
    assert shown(run)["document"]["fallback_models"] == ["mistral/b"]
    assert "Nothing is changed." in run("routing", "edit", EDITOR=editor(tmp_path, ":")).stderr
    refused = run("routing", "edit", code=1, EDITOR=editor(tmp_path, """echo '{' > "$1" """))
    assert "the document: this is no JSON" in refused.stderr
    assert shown(run)["version"] == 2


@pytest.mark.slow
def test_what_somebody_else_changed_meanwhile_is_not_overwritten_by_an_editor(
    run: Run, home_path: Path, tmp_path: Path
) -> None:
    other = f"{sys.executable} -m gantry.cli.main routing fallback mistral/other --home {home_path}"
    mine = """echo '{"groups": []}' > "$1" """
    refused = run("routing", "edit", code=1, EDITOR=editor(tmp_path, f"{other} && {mine}"))
    assert "the routing rules are at version 1, and the change was made from 0" in refused.stderr
    assert shown(run)["document"] == {"fallback_models": ["mistral/other"]}


@pytest.mark.slow
def test_groups_are_set_listed_and_removed(run: Run, home_path: Path) -> None:
    members = ("mistral/a=3", "mistral/b=0.5:mistral/default", "mistral/c=0", "mistral/d")
    run("groups", "set", "fast", *members, "--strategy", "least_latency", "--affinity", "never", "--name", "Fast")
    (group,) = live(home_path).groups
    assert (group.id, group.name, group.strategy, group.affinity) == (
        "fast",
        "Fast",
        Strategy.LEAST_LATENCY,
        Affinity.NEVER,
    )
    assert [(member.model, member.weight, member.credential) for member in group.members] == [
        ("mistral/a", 3.0, None),
        ("mistral/b", 0.5, "mistral/default"),
        ("mistral/c", 0.0, None),
        ("mistral/d", 1.0, None),
    ]
    run("groups", "set", "fast", "--strategy", "weighted")  # what is not given stays
    assert len(live(home_path).groups[0].members) == 4
    run("groups", "set", "other", "mistral/a=1")
    rows = run("groups", "list").stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["GROUP", *["fast"] * 4, "other"]
    assert [item["group_id"] for item in json.loads(run("groups", "list", "--json").stdout)] == ["fast", "other"]
    run("groups", "remove", "fast")
    assert [each.id for each in live(home_path).groups] == ["other"]
    assert "there is no group fast" in run("groups", "remove", "fast", code=1).stderr


@pytest.mark.slow
def test_whoever_removes_a_credential_is_told_which_rules_name_it(run: Run, home_path: Path) -> None:
    run("providers", "add", "mistral", "--api-key", "k", "--name", "second")
    run("groups", "set", "fast", "mistral/a=1", "mistral/b=1:second")
    assert "warning" not in run("providers", "remove", "mistral/default").stderr
    removed = run("providers", "remove", "second").stderr
    assert "warning: the group fast names the credential second, and there is none" in removed
    assert "warning: the group fast names mistral/a, and there is no credential for mistral yet" in removed
    assert len(live(home_path).groups[0].members) == 2


@pytest.mark.slow
def test_fallbacks_and_retries_are_said_and_taken_back(run: Run, home_path: Path) -> None:
    warned = run("routing", "fallback", "mistral/a", "who/knows", "openai/x").stderr
    assert "warning: fallback_models names openai/x, and there is no credential for openai yet" in warned
    assert live(home_path).fallback_models == ("mistral/a", "who/knows", "openai/x")
    assert "warning: fallback_models names openai/x" in run("routing", "show").stderr
    run("routing", "retries", "--count", "5", "--pause", "0.1")
    run("routing", "retries", "--count", "4")
    assert shown(run)["document"]["retries"] == {"num_retries": 4, "retry_after": 0.1}
    run("routing", "retries", "--off")
    assert shown(run)["document"]["retries"] == {"num_retries": 0}
    run("routing", "retries", "--pause", "1")
    assert shown(run)["document"]["retries"] == {"retry_after": 1.0}
    run("routing", "fallback", "--off")
    assert "fallback_models" not in shown(run)["document"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("routing", "fallback"), 2, "name the models, or give --off"),
        (("routing", "fallback", "m", "--off"), 2, "name the models, or give --off"),
        (("routing", "retries"), 2, "give --count and --pause, or --off"),
        (("routing", "retries", "--off", "--count", "1"), 2, "give --count and --pause, or --off"),
        (("routing", "retries", "--count", "13"), 2, "--count"),
        (("routing", "retries", "--pause", "11"), 1, "retries.retry_after: Expected `float` <= 10"),
        (("routing", "retries", "--pause", "nan"), 1, "retries.retry_after: Expected `float`"),
        (("routing", "rollback", "9"), 1, "There is no version 9 of the routing rules"),
        (("routing", "diff", "9"), 1, "There is no version 9 of the routing rules"),
        (("routing", "set", "/nowhere/at/all"), 1, "/nowhere/at/all cannot be read: No such file"),
        (("groups", "set", "fast"), 1, "groups[0]: Object missing required field `members`"),
        (("groups", "set", "fast", "m=x"), 2, "m=x: write MODEL=WEIGHT"),
        (("groups", "set", "fast", "m=0"), 1, "every member of fast has weight 0"),
        (("groups", "set", "fast", "m=nan"), 1, "groups[0].members[0].weight: Expected `float`"),
        (("groups", "set", "fast", "m=inf"), 1, "groups[0].members[0].weight: Expected `float`"),
        (("groups", "set", "fast", "m=1:x"), 1, "the group fast names the credential x, and there is none"),
        (("groups", "set", "a b", "m=1"), 1, "groups[0].id: an id is up to 64 letters"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    run: Run, arguments: tuple[str, ...], code: int, says: str
) -> None:
    assert says in run(*arguments, code=code).stderr
    assert shown(run)["version"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "-: this is no JSON"),
        ("[]", "-: a routing document is a JSON object"),
        ('{"gruops": []}', "there is no `gruops` here; did you mean `groups`?"),
        ('{"groups": [{"id": "g", "members": [{"model": "m", "credential": "x"}]}]}', "names the credential x"),
    ],
)
def test_a_document_is_checked_as_it_would_be_set(run: Run, text: str, says: str) -> None:
    for command in ("check", "set"):
        assert says in run("routing", command, "-", code=1, stdin=text).stderr
    checked = run("routing", "check", "-", stdin='{"fallback_models": ["openai/x"], "models": [{"match": "*"}]}')
    assert "warning: fallback_models names openai/x" in checked.stderr
    assert "ok: 0 groups, 1 rules for models" in checked.stderr
    assert shown(run)["version"] == 0


@pytest.mark.slow
def test_what_is_declared_in_gantry_toml_is_changed_there(run: Run, home_path: Path) -> None:
    with ControlStore(Home(home_path).control_db) as control, control.changing() as change:
        organization = default_organization(change.connection)
        write_rules(change, organization, '{"groups":[]}', author="me")
        write_rules(change, organization, "{}", author="gantry.toml", managed_by=ManagedBy.FILE)
    for arguments in (
        ("routing", "set", "-"),
        ("routing", "rollback", "1"),
        ("routing", "fallback", "mistral/a"),
        ("routing", "retries", "--off"),
        ("groups", "set", "fast", "mistral/a"),
    ):
        refused = run(*arguments, code=1, stdin="{}")
        assert "The routing rules are declared in gantry.toml; change them there." in refused.stderr
    assert shown(run)["version"] == 2


def test_the_largest_document_comes_back_as_it_is_shown(run: Run, tmp_path: Path) -> None:
    """What is shown is indented, and three times as long as what is kept."""
    members = [{"model": f"mistral/{number}", "weight": 1} for number in range(100)]
    document = {"groups": [{"id": f"g{number}", "members": members} for number in range(70)]}
    (tmp_path / "rules.json").write_text(json.dumps(document, separators=(",", ":")))
    run("routing", "set", str(tmp_path / "rules.json"))
    shown = run("routing", "show").stdout
    assert len(shown) > 2 * MOST_BYTES
    (tmp_path / "shown.json").write_text(shown)
    assert "ok: 70 groups" in run("routing", "check", str(tmp_path / "shown.json")).stderr
    assert "version 1." in run("routing", "set", str(tmp_path / "shown.json")).stderr
