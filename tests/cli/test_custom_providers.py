"""`gantry providers custom`: the same as the API, from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from gantry.core.secret import Secret
from gantry.home import Home, load_keyring
from gantry.routing.snapshot import Snapshot, read_snapshot
from tests.cli.conftest import Run

URL = ("--base-url", "https://acme.test/v1")


def snapshot(home_path: Path) -> Snapshot:
    home = Home(home_path)
    return read_snapshot(home.snapshot.read_bytes(), load_keyring(home).snapshot)


def listed(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("providers", "custom", "list", "--json").stdout)
    return found


def test_a_provider_is_put_listed_changed_and_removed(run: Run, home_path: Path) -> None:
    options = ("--name", "Acme Inc", "--api-key", "-", "--set", "temperature=0.2", "--set", "reasoning_effort=low")
    put = run("providers", "custom", "put", "acme", *URL, *options, stdin="canary\n")
    assert "acme is Acme Inc, at https://acme.test/v1." in put.stderr
    assert put.stdout == ""
    kwargs = {"base_url": "https://acme.test/v1", "temperature": 0.2, "reasoning_effort": "low"}
    assert [(item["provider_name"], item["extra_kwargs"]) for item in listed(run)] == [("Acme Inc", kwargs)]
    table = run("providers", "custom", "list")
    assert '{"temperature":0.2,"reasoning_effort":"low"}' in table.stdout
    (credential,) = snapshot(home_path).body.credentials
    assert (credential.base_url, credential.secrets) == ("https://acme.test", {"api_key": Secret("canary")})

    changed = run("providers", "custom", "put", "acme", "--set", "temperature=null", "--set", "timeout=3")
    assert "warning: extra_kwargs.timeout is kept, and not acted on yet" in changed.stderr
    assert listed(run)[0]["extra_kwargs"] == {
        "base_url": "https://acme.test/v1",
        "reasoning_effort": "low",
        "timeout": 3.0,
    }
    ((spec,),) = snapshot(home_path).body.custom_providers.values()
    assert spec.request.default == {"reasoning_effort": "low"}
    assert snapshot(home_path).body.credentials[0].secrets == {"api_key": Secret("canary")}

    run("providers", "custom", "put", "acme", "--api-key", "")
    assert snapshot(home_path).body.credentials[0].secrets == {"api_key": Secret("")}
    assert "canary" not in put.output + table.output + changed.output
    assert "Removed acme." in run("providers", "custom", "remove", "acme").stderr
    assert listed(run) == []
    assert snapshot(home_path).body.credentials == ()


def test_a_new_one_is_called_as_its_id(run: Run) -> None:
    run("providers", "custom", "put", "acme", *URL)
    assert listed(run)[0]["provider_name"] == "acme"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("put", "new"), 1, "The address is missing"),
        (("put", "new", "--base-url", "x"), 1, "is no base URL"),
        (("put", "mistral", *URL), 1, "mistral is a name of Mistral AI, which comes with Gantry"),
        (("put", "acme", "--base-url", "https://other.test"), 1, "only sent to the host it was given for"),
        (("put", "acme", "--set", "temprature=1"), 1, "extra_kwargs.temprature is no parameter that can be set"),
        (("put", "acme", "--set", "temperature"), 2, "write PARAMETER=VALUE"),
        (("put", "acme", "--api-key", "canäry"), 1, "characters that no key has"),
        (("remove", "new"), 1, "Provider not found: new is no custom provider of yours"),
    ],
)
def test_what_is_refused(run: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    run("providers", "custom", "put", "acme", *URL, "--api-key", "canary")
    before = listed(run)
    refused = run("providers", "custom", *arguments, code=code)
    assert message in refused.stderr
    assert "can" not in refused.stderr.replace("can be set", "")
    assert listed(run) == before
