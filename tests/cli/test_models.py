"""`gantry models`: what is known, names of one's own, and what providers list themselves."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gantry.core.custom_model import CustomModel
from gantry.home import Home, load_keyring
from gantry.routing.snapshot import read_snapshot
from gantry.store.control import ControlStore, default_organization
from gantry.store.custom_models import put_custom_model
from tests.cli.conftest import Run


def _customs(home_path: Path) -> dict[str, CustomModel]:
    home = Home(home_path)
    snapshot = read_snapshot(home.snapshot.read_bytes(), load_keyring(home).snapshot)
    return {model.name: model for model in snapshot.body.custom_models}


def _listed(run: Run, *options: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(run("models", "list", "--json", *options).stdout)
    return items


@pytest.mark.slow
def test_a_name_of_ones_own_is_added_changed_listed_shown_and_removed(run: Run, home_path: Path) -> None:
    run("providers", "add", "mistral", "--api-key", "k")
    added = run("models", "add", "team/fast", "--base", "mistral-small-latest", "--output-cost", "2")
    assert "Added team/fast: a call for it asks for mistral-small-latest." in added.stderr
    assert "it is live when `gantry serve` starts" in added.stderr
    run("models", "add", "team/fast", "--display-name", "Fast", "--context-window", "1000")
    model = _customs(home_path)["team/fast"]
    assert (model.display_name, model.output_price, model.context_window) == ("Fast", 2_000_000_000, 1000)
    shown = json.loads(run("models", "show", "team/fast", "--json").stdout)
    assert (shown["input_cost"], shown["output_cost"], shown["price_source"]) == (0.15, 2.0, "custom")
    first, *others = _listed(run)
    assert first["model_name"] == "team/fast"
    assert {item["provider"]["provider_id"] for item in others} == {"mistral"}
    table = run("models", "list", "--provider", "mistral").stdout
    assert "yours: mistral-small-latest" in table
    assert "mistral-large-2512" in table
    assert "262144" in run("models", "show", "mistral/mistral-large-latest").stdout
    removed = run("models", "remove", "team/fast")
    assert "Removed team/fast." in removed.stderr
    assert _customs(home_path) == {}


@pytest.mark.slow
def test_what_is_declared_in_the_file_is_changed_there(run: Run, home_path: Path) -> None:
    run("providers", "add", "mistral", "--api-key", "k")
    run("models", "add", "fast", "--base", "mistral-small-latest")
    with ControlStore(Home(home_path).control_db) as control, control.changing() as change:
        put_custom_model(change, replace(_customs(home_path)["fast"], managed_by="gantry.toml"))
    for arguments in (("add", "fast", "--input-cost", "1"), ("remove", "fast")):
        assert "fast is declared in gantry.toml; change it there" in run("models", *arguments, code=1).stderr
    assert _customs(home_path)["fast"].input_price is None


@pytest.mark.slow
def test_who_is_asked_for_what_can_be_said(run: Run, home_path: Path) -> None:
    run("providers", "add", "acme", "--api-key", "k", "--base-url", "http://127.0.0.1:1")
    asked = run("models", "add", "mine", "--provider", "acme", "--base", "openai/gpt-4o")
    assert "asks for mine of acme" in asked.stderr
    assert "asks for openai/gpt-4o of acme" in run("models", "add", "mine", "--by-base").stderr
    assert _customs(home_path)["mine"].called_by_name is False
    every = _listed(run, "--all")
    assert {"gpt-4o", "mine"} <= {item["model_name"] for item in every}
    assert len(_listed(run)) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "x", "--base", "who-knows"), "Base model not found: who-knows"),
        (("add", "mistral/x", "--base", "gpt-4o"), "does not begin with mistral/"),
        (("add", "x", "--base", "gpt-4o", "--input-cost", "much"), "input_cost must be USD"),
        (("remove", "x"), "x is no name of your own"),
        (("show", "x"), "nothing is known of a model 'x'"),
        (("list", "--provider", "nobody"), "no provider 'nobody'"),
    ],
)
def test_what_cannot_be_done(run: Run, arguments: tuple[str, ...], message: str) -> None:
    assert message in run("models", *arguments, code=1).stderr


@pytest.mark.slow
def test_what_is_declared_is_changed_where_it_is_declared(run: Run, home_path: Path) -> None:
    run("models", "list")
    home = Home(home_path)
    with ControlStore(home.control_db) as control, control.changing() as change:
        organization = default_organization(change.connection)
        model = CustomModel(organization_id=organization, name="m", base="gpt-4o", managed_by="gantry.toml")
        put_custom_model(change, model)
    for arguments in (("add", "m", "--base", "gpt-5.5"), ("remove", "m")):
        assert "m is declared in gantry.toml; change it there" in run("models", *arguments, code=1).stderr
    assert "yours, in gantry.toml: gpt-4o" in run("models", "list").stdout
    assert json.loads(run("models", "show", "m", "--json").stdout)["managed_by"] == "gantry.toml"


class _Lists(BaseHTTPRequestHandler):
    """A provider with two models, one of them new; it wants the key `good`."""

    def do_GET(self) -> None:
        allowed = self.headers["authorization"] == "Bearer good" and self.path == "/v1/models"
        self.send_response(200 if allowed else 401)
        self.end_headers()
        self.wfile.write(b'{"data":[{"id":"mistral-large-latest"},{"id":"mistral-next"}]}' if allowed else b"{}")

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.fixture
def provider() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Lists)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_a_providers_own_list_shows_what_is_new(run: Run, provider: str) -> None:
    run("providers", "add", "mistral", "--api-key", "good", "--base-url", provider)
    said = run("models", "refresh").stdout
    assert "ok    mistral/default  lists 2 models, 1 of them new" in said
    assert "  new         mistral-next" in said
    assert "  not listed  codestral-2508" in said
    assert "mistral-large-2512" not in said
    run("providers", "add", "mistral", "--name", "bad", "--api-key", "bad", "--base-url", provider)
    failed = run("models", "refresh", "--json", code=1)
    listed = json.loads(failed.stdout)
    assert listed["mistral/default"]["new"] == ["mistral-next"]
    assert listed["mistral/bad"]["error"].endswith("/v1/models answered 401 Unauthorized")
    assert "good" not in failed.output
    run("providers", "add", "bedrock", "--api-key", "k")
    assert "no list of models" in run("models", "refresh", "bedrock", code=1).stdout
