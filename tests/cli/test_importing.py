"""`gantry import`: shown before it is applied, applied once, and told member by member."""

import csv
import gzip
import json
import re
import stat
from pathlib import Path
from typing import Any

import click
import pytest

from gantry.cli import import_files, importing
from gantry.cli.import_apply import merged
from gantry.core.limits import LimitScope, LimitUnit
from gantry.home import Home, load_keyring
from gantry.routing.snapshot import Snapshot, read_snapshot
from gantry.settings import read_config
from tests.cli.conftest import Run

pytestmark = pytest.mark.slow

CONFIG = """
model_list:
  - model_name: house-large
    litellm_params: {model: mistral/mistral-large-latest, api_key: a-secret, input_cost_per_token: 0.000002, output_cost_per_token: 0.000006}
  - model_name: workshop
    litellm_params: {model: openai/llama-3, api_base: "http://10.0.0.7:8000/v1", api_key: b-secret}
router_settings: {fallbacks: [{house-large: [workshop]}], odd: 1}
general_settings: {maximum_spend_logs_retention_period: 30d}
"""  # noqa: E501 - as people write it
KEYS = """\
token,key_name,key_alias,max_budget,budget_duration,models,blocked
aa,sk-...1111,ci,5,30d,"{house-large}",
bb,sk-...2222,gone,,,{},t
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return str(path)


@pytest.fixture
def keys(tmp_path: Path) -> str:
    path = tmp_path / "keys.csv"
    path.write_text(KEYS)
    return str(path)


def live(home_path: Path) -> Snapshot:
    home = Home(home_path)
    return read_snapshot(home.snapshot.read_bytes(), load_keyring(home).snapshot)


def test_it_is_shown_and_nothing_is_changed(run: Run, home_path: Path, config: str, keys: str) -> None:
    result = run("import", "litellm", config, "--keys", keys)
    assert 'name = "house-large"' in result.stdout
    assert "# an API key ci in place of sk-...1111, by --apply" in result.stdout
    assert "router_settings.odd (line 7): this version of Gantry does not know it" in result.stderr
    assert re.search(r"keys\[1\]\.key_alias.*: the key is blocked", result.stderr)
    assert "Nothing was changed" in result.stderr
    assert "a-secret" not in result.output
    assert not home_path.exists()


def test_it_is_applied_as_one_change_and_a_second_time_changes_nothing(
    run: Run, home_path: Path, config: str, keys: str, tmp_path: Path
) -> None:
    made = tmp_path / "new.csv"
    result = run("import", "litellm", config, "--keys", keys, "--apply", "--new-keys", str(made))
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    (new,) = csv.DictReader(made.read_text().splitlines())
    assert (new["name"], new["in_place_of"], new["key"][:3]) == ("ci", "sk-...1111", "gk_")
    assert new["key"] not in result.output
    assert "made: model house-large, which is mistral/mistral-large-latest" in result.stderr
    assert "write `retention_days = 30` into gantry.toml" in result.stderr

    snapshot = live(home_path)
    assert {credential.provider_id for credential in snapshot.body.credentials} == {"mistral", "10-0-0-7-8000"}
    (books,) = snapshot.body.books.values()
    assert [(one.scope, one.unit, one.amount) for one in books.limits] == [
        (LimitScope.API_KEY, LimitUnit.COST, 5 * 10**9)
    ]
    rules = json.loads(run("routing", "show").stdout)
    assert rules["models"] == [{"match": "house-large", "fallback_models": ["workshop"]}]
    model = json.loads(run("models", "show", "house-large", "--json").stdout)
    assert (model["input_cost"], model["managed_by"]) == (2.0, None)
    (key,) = json.loads(run("keys", "list", "--json").stdout)
    assert key["models"] == ["house-large"]

    again = run("import", "litellm", config, "--keys", keys, "--apply")
    assert again.stdout == ""
    assert "made: " not in again.stderr.replace("not made: ", "")
    assert len(json.loads(run("keys", "list", "--json").stdout)) == 1
    assert json.loads(run("routing", "show").stdout) == rules


def test_what_is_there_already_stays_and_what_is_wrong_stops_nothing_else(run: Run, config: str) -> None:
    run("models", "add", "workshop", "--base", "mistral/mistral-small-latest")
    result = run("import", "litellm", config, "--apply")
    assert "not made: model workshop: it is there already" in result.stderr
    assert "made: model house-large" in result.stderr


def test_new_keys_are_shown_when_no_file_is_named(run: Run, keys: str) -> None:
    shown = list(csv.DictReader(run("import", "litellm", "--keys", keys, "--apply").stdout.splitlines()))
    assert [one["name"] for one in shown] == ["ci"]


def test_new_keys_are_shown_when_their_file_cannot_be_written_after_all(
    run: Run, keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, text: str) -> None:
        raise click.ClickException(f"{path} cannot be written: No space left on device")

    monkeypatch.setattr(importing, "write_private", refuse)
    result = run("import", "litellm", "--keys", keys, "--apply", "--new-keys", "new.csv")
    assert "gk_" in result.stdout
    assert "warning: new.csv cannot be written" in result.stderr


def test_the_toml_is_a_configuration_with_its_secrets(run: Run, config: str, tmp_path: Path) -> None:
    path = tmp_path / "house" / "gantry.toml"
    path.parent.mkdir()
    run("import", "litellm", config, "--toml", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    read = read_config(Home(path.parent))
    assert [one.api_key.reveal() for one in read.providers if one.api_key is not None] == ["a-secret", "b-secret"]
    assert read.retention_days == 30


@pytest.mark.parametrize("suffix", ["json", "txt"])
def test_a_report_has_every_member(run: Run, config: str, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"report.{suffix}"
    run("import", "litellm", config, "--report", str(path))
    text = path.read_text()
    for place in ("model_list[0].litellm_params.api_key", "router_settings.odd", "general_settings"):
        assert place in text
    assert "a-secret" not in text
    if suffix == "json":
        report = json.loads(text)
        assert report["summary"]["unknown"] == 1
        assert next(one for one in report["findings"] if one["fate"] == "unknown")["line"] == 7


def test_portkey_and_openrouter_are_read_by_their_commands(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "balanced.json"
    target: dict[str, Any] = {
        "provider": "groq",
        "api_key": "k",
        "override_params": {"model": "llama-3.3-70b-versatile"},
    }
    path.write_text(json.dumps({"strategy": {"mode": "loadbalance"}, "targets": [target, {**target, "weight": 2}]}))
    report = tmp_path / "report.txt"
    run("import", "portkey", str(path), "--apply", "--report", str(report))
    assert "load_balance_group.group_id = balanced" in report.read_text()
    assert [one["id"] for one in json.loads(run("routing", "show").stdout)["groups"]] == ["balanced"]

    path = tmp_path / "calls.json"
    path.write_text(json.dumps({"models": ["a/b", "c/d"]}))
    assert "openrouter/c/d" in run("import", "openrouter", str(path)).stdout


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("litellm", "a: [", "line"),
        ("litellm", "- 1", "a LiteLLM config.yaml is an object"),
        ("portkey", "{}", "a Portkey config is"),
        ("portkey", "{", "is no JSON"),
        ("openrouter", "[]", "OpenRouter"),
    ],
)
def test_what_is_something_else_is_refused_with_the_file(
    run: Run, tmp_path: Path, name: str, text: str, words: str
) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    said = run("import", name, str(path), code=1).stderr
    assert words in said
    assert str(path) in said


def test_without_the_extra_it_says_what_to_install(run: Run, config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_files, "find_spec", lambda name: None)
    assert "llm-gantry[import]" in run("import", "litellm", config, code=1).stderr


def test_keys_that_are_only_hashes_are_no_table(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"keys": ["aa", "bb"], "total_count": 2}')
    assert "return_full_object" in run("import", "litellm", "--keys", str(path), code=1).stderr


def test_a_file_that_is_not_there_is_told(run: Run) -> None:
    assert "cannot be read" in run("import", "portkey", "nowhere.json", code=1).stderr
    assert "cannot be read" in run("import", "logs", "respan", "nowhere.json", code=1).stderr


def test_new_keys_need_apply(run: Run, keys: str, tmp_path: Path) -> None:
    assert "--apply" in run("import", "litellm", "--keys", keys, "--new-keys", str(tmp_path / "x"), code=2).stderr


def test_rules_that_both_say_stay_as_they_are() -> None:
    said: list[str] = []
    present = {"retries": {"num_retries": 5}, "models": [{"match": "a", "hedge": {"after": 1}}]}
    new = {"retries": {"num_retries": 1}, "models": [{"match": "a"}, {"match": "b"}], "groups": [{"id": "g"}]}
    assert merged(present, new, said) == {
        "retries": {"num_retries": 5},
        "models": [{"match": "a", "hedge": {"after": 1}}, {"match": "b"}],
        "groups": [{"id": "g"}],
    }
    assert said == ["routing rules: retries is decided already", "routing rules: there is one for a already"]


LOGS = [
    {
        "request_id": f"req-{number}",
        "call_type": "acompletion",
        "spend": 0.5,
        "startTime": "2026-10-01T10:00:00Z",
        "endTime": "2026-10-01T10:00:01Z",
        "model": "mistral/mistral-small-latest",
        "custom_llm_provider": "mistral",
        "metadata": {"user_api_key_alias": alias},
    }
    for number, alias in enumerate(["ci", "ci", "somebody"])
]


def test_logs_are_taken_in_once_under_the_keys_they_name(run: Run, home_path: Path, tmp_path: Path) -> None:
    run("keys", "create", "ci")
    path = tmp_path / "spend.json.gz"
    path.write_bytes(gzip.compress(json.dumps([*LOGS, {"model": "x"}]).encode()))
    report, rejected = tmp_path / "report.json", tmp_path / "rejected.jsonl"
    options = ("import", "logs", "litellm", str(path))

    assert "3 would be taken in" in run(*options, "--dry-run", code=1).stderr
    assert run("logs", "list", "--json").stdout == ""
    result = run(*options, "--report", str(report), "--rejected", str(rejected), code=1)
    assert "4 rows: 3 are taken in, 0 were stored already, 1 could not be read." in result.stderr
    assert "row 4 is not read: it has no request_id" in result.stderr
    assert "0 are taken in, 3 were stored already" in run(*options, code=1).stderr

    logs = [json.loads(line) for line in run("logs", "list", "--json").stdout.splitlines()]
    assert len(logs) == 3
    assert {log["cost"] for log in logs} == {0.5}
    names = {key["id"]: key["name"] for key in json.loads(run("keys", "list", "--json").stdout)}
    assert sorted(names[log["key_id"]] for log in logs) == ["ci", "ci", "imported from LiteLLM"]
    assert len(run("logs", "list", "--where", "metadata__import_id=req-1", "--json").stdout.splitlines()) == 1
    shown = json.loads(run("logs", "show", "req-1").stdout)
    assert shown["metadata"] == {"import_source": "litellm", "import_id": "req-1"} | shown["metadata"]

    found = json.loads(report.read_text())
    assert found["counts"] == {"rows": 4, "new": 3, "known": 0, "bad": 1}
    assert found["bad_rows"] == [{"row": 4, "reason": "it has no request_id"}]
    assert {one["place"]: one["rows"] for one in found["findings"]}["spend"] == 3
    assert [json.loads(line)["row"] for line in rejected.read_text().splitlines()] == [4]


def test_the_key_of_an_import_is_nobodys_to_use(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "spend.jsonl"
    path.write_text("\n".join(json.dumps(log) for log in LOGS))
    run("import", "logs", "litellm", str(path))
    (key,) = json.loads(run("keys", "list", "--json").stdout)
    assert key["name"] == "imported from LiteLLM"
    assert key["revoked_at"] is not None


def test_logs_of_nothing_are_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_text("")
    assert "the file is empty" in run("import", "logs", "respan", str(path), code=1).stderr


def test_a_file_that_cannot_be_written_stops_it_before_anything_is_done(
    run: Run, home_path: Path, config: str, keys: str, tmp_path: Path
) -> None:
    there, nowhere = tmp_path / "there", tmp_path / "no" / "x"
    there.write_text("")
    for option, path in (("--new-keys", there), ("--report", there), ("--toml", nowhere)):
        result = run("import", "litellm", config, "--keys", keys, "--apply", option, str(path), code=1)
        assert str(path) in result.stderr
    assert "is there already" in run("import", "logs", "respan", config, "--report", str(there), code=1).stderr
    assert not home_path.exists()


def test_what_is_written_in_a_file_commands_no_terminal(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text('model_list: []\n"\\e[2Jodd": 1\n')
    result = run("import", "litellm", str(path))
    assert "[2Jodd" in result.stderr
    assert "\x1b" not in result.output


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"[1, 2", "it has no rows"),
        (b"id,model\n", "it has no rows"),
        (gzip.compress(b'{"id": "a"}\n' * 1000, mtime=0)[:-9], "cannot be read"),
        (gzip.compress(b"", mtime=0)[:10] + b"\xff" * 99, "cannot be read"),
    ],
)
def test_a_file_without_a_row_is_an_error(run: Run, tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "logs"
    path.write_bytes(content)
    result = run("import", "logs", "respan", str(path), "--dry-run", code=1)
    assert f"{path}" in result.stderr
    assert reason in result.stderr
