"""`gantry providers`: a secret goes in and never comes out, except to the host it is for."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gantry.core.secret import Secret
from gantry.home import Home, load_keyring
from gantry.routing.snapshot import CredentialRecord, Snapshot, read_snapshot
from tests.cli.conftest import Run


def _snapshot(home_path: Path) -> Snapshot:
    home = Home(home_path)
    return read_snapshot(home.snapshot.read_bytes(), load_keyring(home).snapshot)


def _credentials(home_path: Path) -> list[CredentialRecord]:
    return list(_snapshot(home_path).body.credentials)


def test_a_credential_is_added_from_stdin_and_shown_without_its_secret(run: Run, home_path: Path) -> None:
    options = ("--api-key", "-", "--weight", "0.5", "--models", "a,b", "--env", "test")
    added = run("providers", "add", "mistral", *options, stdin="canary\n")
    assert added.stdout == ""
    assert "Added mistral/default, for https://api.mistral.ai." in added.stderr
    (credential,) = _credentials(home_path)
    assert credential.secrets == {"api_key": Secret("canary")}
    assert (credential.weight, credential.models, credential.environment) == (0.5, ("a", "b"), "test")
    for command in (("list",), ("list", "--json")):
        assert "canary" not in run("providers", *command).output
    (listed,) = json.loads(run("providers", "list", "--json").stdout)
    assert (listed["provider_id"], listed["name"], listed["weight"]) == ("mistral", "default", 0.5)
    files = [path for path in home_path.rglob("*") if path.is_file()]
    assert b"canary" not in b"".join(path.read_bytes() for path in files)


def test_a_reference_to_the_environment(run: Run, home_path: Path) -> None:
    added = run("providers", "add", "openai", "--api-key-env", "SOME_KEY")
    assert "warning: openai/default is left out: $SOME_KEY is not set" in added.stderr
    assert "$SOME_KEY" in run("providers", "list").stdout
    run("keys", "create", "dev", SOME_KEY="canary")
    assert [credential.secrets for credential in _credentials(home_path)] == [{"api_key": Secret("canary")}]


def test_a_custom_provider_by_its_base_url(run: Run, home_path: Path) -> None:
    run("providers", "add", "acme", "--api-key", "k", "--base-url", "http://127.0.0.1:1/v1/")
    snapshot = _snapshot(home_path)
    assert snapshot.providers["acme"].base_url == "http://127.0.0.1:1"
    assert snapshot.prefixes["acme"] == "acme"
    run("providers", "add", "acme", "--api-key", "k2", "--name", "second")
    assert [credential.base_url for credential in _credentials(home_path)] == ["http://127.0.0.1:1"] * 2
    for name in ("acme/default", "second"):
        run("providers", "remove", name)
    assert "acme" not in _snapshot(home_path).providers


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("acme", "--api-key", "k"),
            1,
            "xai; any other OpenAI-compatible one needs its --base-url",
        ),
        (("mistrl", "--api-key", "k"), 1, "Did you mean mistral?"),
        (("vllm",), 1, "each vLLM server has its own address: give its --base-url"),
        (("mistral", "--api-key", "k", "--base-url", "x"), 1, "'x' is no base URL"),
        (("mistral", "--api-key", "k", "--api-key-env", "V"), 2, "either --api-key or --api-key-env"),
        (("mistral",), 2, "give --api-key K, --api-key - (from stdin) or --api-key-env VAR"),
        (("mistral", "--api-key", "-"), 2, "the API key is empty"),
        (("mistral", "--api-key", "é"), 2, "characters that no HTTP header carries"),
        (("mistral", "--api-key", "k", "--weight", "-1"), 2, "--weight"),
    ],
)
def test_what_cannot_be_added(run: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    assert message in run("providers", "add", *arguments, code=code).stderr
    assert json.loads(run("providers", "list", "--json").stdout) == []


def test_a_name_is_taken_once(run: Run) -> None:
    run("providers", "add", "mistral", "--api-key", "k")
    assert "already; choose another name" in run("providers", "add", "mistral", "--api-key", "k", code=1).stderr


def test_a_provider_without_a_key(run: Run, home_path: Path) -> None:
    assert (
        "Added ollama/default, for http://127.0.0.1:11434, without a key." in run("providers", "add", "ollama").stderr
    )
    run("providers", "add", "ollama", "--name", "shared", "--api-key", "k", "--base-url", "https://ollama.test/v1")
    run("providers", "add", "own", "--base-url", "http://127.0.0.1:1/v1")
    found = {f"{item.provider_id}/{item.name}": item.secrets["api_key"] for item in _credentials(home_path)}
    assert found == {"ollama/default": Secret(""), "ollama/shared": Secret("k"), "own/default": Secret("")}
    secrets = [line.split()[6] for line in run("providers", "list").stdout.splitlines()[1:]]
    assert secrets == ["none", "vault", "none"]


def test_a_provider_is_added_by_any_of_its_prefixes(run: Run, home_path: Path) -> None:
    run("providers", "add", "together_ai", "--api-key", "k", "--base-url", "https://api.together.ai/v1")
    (credential,) = _credentials(home_path)
    assert (credential.provider_id, credential.base_url) == ("togetherai", "https://api.together.ai")


def test_removing(run: Run, home_path: Path) -> None:
    run("providers", "add", "mistral", "--api-key", "k")
    run("providers", "remove", "mistral")
    assert _credentials(home_path) == []
    assert "no credential has the id" in run("providers", "remove", "mistral", code=1).stderr


def test_home_is_chosen_and_never_moves_by_itself(run: Run, home_path: Path) -> None:
    for name in ("first", "second"):
        run("providers", "add", "mistral", "--api-key", "k", "--name", name)
    shown = [line.split()[7:] for line in run("providers", "list").stdout.splitlines()]
    assert shown == [["SECRET", "HOME", "MANAGED", "BY"], ["yes"], []]
    chosen = run("providers", "home", "mistral/second")
    assert "Files, batches, agents, conversations" in chosen.stderr
    assert "live with mistral/second from now on." in chosen.stderr
    assert {found["name"]: found["home"] for found in json.loads(run("providers", "list", "--json").stdout)} == {
        "first": False,
        "second": True,
    }
    assert {found.name: found.home for found in _credentials(home_path)} == {"first": False, "second": True}
    removed = run("providers", "remove", "second")
    assert "refused until you choose:\n  gantry providers home mistral/first\n" in removed.stderr
    assert not any(found["home"] for found in json.loads(run("providers", "list", "--json").stdout))
    run("providers", "home", "first")
    assert "refused until" not in run("providers", "remove", "first").stderr
    assert "no credential has the id" in run("providers", "home", "first", code=1).stderr


class _Provider(BaseHTTPRequestHandler):
    """Answers 200 to the right key, 401 to another, and sends `/moved` elsewhere."""

    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["authorization"]))
        status = 200 if self.headers["authorization"] == "Bearer good" else 401
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("location", "/stolen")
        else:
            self.send_response(status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    seen: list[tuple[str, str]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Provider,), {"seen": seen}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_testing_asks_for_the_models_with_the_secret(run: Run, provider: tuple[str, list[tuple[str, str]]]) -> None:
    url, seen = provider
    run("providers", "add", "mistral", "--api-key", "good", "--base-url", url)
    result = run("providers", "test")
    assert result.stdout == f"ok    mistral/default  {url}/v1/models answered 200\n"
    assert seen == [("/v1/models", "Bearer good")]


def test_testing_without_a_key_sends_none(run: Run, provider: tuple[str, list[tuple[str, str]]]) -> None:
    url, seen = provider
    run("providers", "add", "vllm", "--base-url", f"{url}/v1")
    assert "answered 401" in run("providers", "test", code=1).stdout
    assert [path for path, secret in seen if not secret] == ["/v1/models"]


def test_each_credential_is_tested_and_one_failure_fails_the_command(
    run: Run, provider: tuple[str, list[tuple[str, str]]]
) -> None:
    url, seen = provider
    run("providers", "add", "mistral", "--api-key", "bad", "--base-url", url)
    run("providers", "add", "mistral", "--api-key", "good", "--base-url", url, "--name", "good")
    run("providers", "add", "mistral", "--api-key", "good", "--base-url", f"{url}/moved", "--name", "moved")
    run("providers", "add", "openai", "--api-key-env", "SOME_KEY", "--base-url", url)
    lines = run("providers", "test", code=1).stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["FAIL", "mistral/default"],
        ["ok", "mistral/good"],
        ["FAIL", "mistral/moved"],
        ["FAIL", "openai/default"],
    ]
    assert "answered 401" in lines[0]
    assert "answered 302" in lines[2]
    assert "$SOME_KEY is not set" in lines[3]
    assert all(path != "/stolen" for path, _ in seen)
    assert run("providers", "test", "mistral/good").exit_code == 0


def test_testing_nothing_says_so(run: Run) -> None:
    assert "there are no credentials yet" in run("providers", "test", code=1).stderr
