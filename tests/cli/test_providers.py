"""`gantry providers`: a secret goes in and never comes out, except to the host it is for."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import update

from gantry.core.secret import Secret
from gantry.home import Home, load_keyring
from gantry.providers.sigv4 import AwsCredential, SigningScope, UnsignedRequest, sign
from gantry.routing.snapshot import CredentialRecord, Snapshot, read_snapshot
from gantry.store.control import ControlStore
from gantry.store.control_tables import credentials
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


def test_what_a_credential_serves_is_changed_and_its_secret_stays(run: Run, home_path: Path) -> None:
    run("providers", "add", "mistral", "--api-key", "canary", "--exclude-models", "a-*,b")
    assert _credentials(home_path)[0].excluded_models == ("a-*", "b")
    assert "all but a-*,b" in run("providers", "list").stdout
    options = ("--weight", "0", "--models", "c,d", "--exclude-models", "none", "--env", "test")
    assert "mistral/default has weight 0 and serves c,d." in run("providers", "set", "mistral", *options).stderr
    (credential,) = _credentials(home_path)
    assert (credential.weight, credential.models, credential.excluded_models) == (0.0, ("c", "d"), ())
    assert credential.environment == "test"
    said = run("providers", "set", "mistral/default", "--models", "all", "--env", "all").stderr
    assert "mistral/default has weight 0 and serves all." in said
    (credential,) = _credentials(home_path)
    assert (credential.weight, credential.models, credential.environment) == (0.0, (), None)
    assert credential.secrets == {"api_key": Secret("canary")}


def test_what_a_declared_credential_serves_is_changed_where_it_is_declared(run: Run, home_path: Path) -> None:
    run("providers", "add", "mistral", "--api-key-env", "V", V="k")
    with ControlStore(Home(home_path).control_db) as control, control.changing() as change:
        change.connection.execute(update(credentials).values(managed_by="gantry.toml"))
    refused = run("providers", "set", "mistral", "--weight", "2", code=1)
    assert "mistral/default is declared by gantry.toml; change it there." in refused.stderr
    assert "give --weight, --models, --exclude-models or --env" in run("providers", "set", "mistral", code=2).stderr
    assert "no credential has the id" in run("providers", "set", "nobody", "--weight", "2", code=1).stderr


def test_a_reference_to_the_environment(run: Run, home_path: Path) -> None:
    added = run("providers", "add", "openai", "--api-key-env", "SOME_KEY")
    assert "warning: openai/default is left out: $SOME_KEY is not set" in added.stderr
    assert "$SOME_KEY" in run("providers", "list").stdout
    run("keys", "create", "dev", SOME_KEY="canary")
    assert [credential.secrets for credential in _credentials(home_path)] == [{"api_key": Secret("canary")}]


def test_a_custom_provider_by_its_base_url(run: Run, home_path: Path) -> None:
    run("providers", "add", "acme", "--api-key", "k", "--base-url", "http://127.0.0.1:1/v1/")
    snapshot = _snapshot(home_path)
    (acme,) = next(iter(snapshot.body.custom_providers.values()))
    assert (acme.id, acme.base_url, acme.prefixes) == ("acme", "http://127.0.0.1:1", ("acme",))
    run("providers", "add", "acme", "--api-key", "k2", "--name", "second")
    assert [credential.base_url for credential in _credentials(home_path)] == ["http://127.0.0.1:1"] * 2
    for name in ("acme/default", "second"):
        run("providers", "remove", name)
    assert not _snapshot(home_path).body.custom_providers


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("acme", "--api-key", "k"),
            1,
            "zai; any other OpenAI-compatible one needs its --base-url",
        ),
        (("mistrl", "--api-key", "k"), 1, "Did you mean mistral?"),
        (("vllm",), 1, "each vLLM server has its own address: give its --base-url"),
        (("mistral", "--api-key", "k", "--base-url", "x"), 1, "'x' is no base URL"),
        (("mistral", "--api-key", "k", "--api-key-env", "V"), 2, "either --api-key or --api-key-env"),
        (("mistral",), 2, "give --api-key K, --api-key - (from stdin) or --api-key-env VAR"),
        (("mistral", "--api-key", "-"), 2, "api_key is missing"),
        (("mistral", "--api-key", "é"), 2, "api_key has characters that no key has"),
        (("mistral", "--api-key", "k", "--field", "region=canary"), 2, "mistral has no field 'region'; it has api_key"),
        (("mistral", "--field", "canary"), 2, "write NAME=VALUE, NAME=@FILE for a file's content, or NAME=- for stdin"),
        (("mistral", "--field", "api_key=@/nowhere/at/all"), 2, "/nowhere/at/all cannot be read: No such file"),
        (("azure", "--api-key", "k"), 1, "each Azure OpenAI server has its own address"),
        (
            ("bedrock",),
            2,
            "needs either api_key or aws_access_key_id and aws_secret_access_key: give them with --field",
        ),
        (("bedrock", "--field", "aws_access_key_id=A"), 2, "needs either api_key or"),
        (("cloudflare", "--api-key", "k"), 2, "Cloudflare Workers AI needs its Account id: give --field account_id=…"),
        (("vertex_ai",), 2, "needs its Service account key (JSON): give --field vertex_ai_credentials=…"),
        (
            ("vertex_ai", "--field", "vertex_ai_credentials=canary"),
            2,
            "must be a JSON object: the whole content of the",
        ),
        (("mistral", "--api-key", "k", "--weight", "-1"), 2, "--weight"),
        (("mistral", "--api-key", "k", "--weight", "nan"), 2, "it must be a number"),
        (("mistral", "--api-key", "k", "--weight", "inf"), 2, "--weight"),
    ],
)
def test_what_cannot_be_added(run: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    assert message in run("providers", "add", *arguments, code=code).stderr
    assert json.loads(run("providers", "list", "--json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "stdin", "base_url", "address", "secrets"),
    [
        (
            ("azure", "--api-key", "k", "--field", "api_base=https://me.openai.azure.com/"),
            "",
            "https://me.openai.azure.com",
            "https://me.openai.azure.com",
            {"api_key": "k", "api_version": "2024-10-21"},
        ),
        (
            (
                "azure",
                "--api-key",
                "k",
                "--base-url",
                "https://me.openai.azure.com",
                "--field",
                "api_version=2025-01-01",
            ),
            "",
            "https://me.openai.azure.com",
            "https://me.openai.azure.com",
            {"api_key": "k", "api_version": "2025-01-01"},
        ),
        (
            ("bedrock", "--field", "aws_access_key_id=AKIA", "--field", "aws_secret_access_key=-"),
            "canary\n",
            "https://bedrock-runtime.{aws_region_name}.amazonaws.com",
            "https://bedrock-runtime.us-east-1.amazonaws.com",
            {"aws_access_key_id": "AKIA", "aws_secret_access_key": "canary", "aws_region_name": "us-east-1"},
        ),
        (
            ("bedrock", "--api-key", "-", "--field", "aws_region_name=eu-west-1"),
            "canary\n",
            "https://bedrock-runtime.{aws_region_name}.amazonaws.com",
            "https://bedrock-runtime.eu-west-1.amazonaws.com",
            {"api_key": "canary", "aws_region_name": "eu-west-1"},
        ),
        (
            ("vertex_ai", "--field", "vertex_ai_credentials=-", "--field", "vertex_ai_project=p"),
            '{\n  "type": "service_account"\n}\n',
            "https://{vertex_ai_location}-aiplatform.googleapis.com",
            "https://us-central1-aiplatform.googleapis.com",
            {"vertex_ai_credentials": '{"type":"service_account"}', "vertex_ai_project": "p"},
        ),
        (
            ("vertex_ai", "--api-key", "-", "--field", "vertex_ai_project=p", "--field", "vertex_ai_location=global"),
            '{\n  "type": "service_account"\n}\n',
            "https://{vertex_ai_location}-aiplatform.googleapis.com",
            "https://aiplatform.googleapis.com",
            {"vertex_ai_credentials": '{"type":"service_account"}', "vertex_ai_location": "global"},
        ),
        (
            ("cloudflare", "--api-key", "k", "--field", "account_id=a"),
            "",
            "https://api.cloudflare.com",
            "https://api.cloudflare.com",
            {"api_key": "k", "account_id": "a"},
        ),
    ],
)
def test_a_credential_of_several_fields(
    run: Run,
    home_path: Path,
    arguments: tuple[str, ...],
    stdin: str,
    base_url: str,
    address: str,
    secrets: dict[str, str],
) -> None:
    added = run("providers", "add", *arguments, stdin=stdin)
    assert f", for {address}." in added.stderr
    assert "canary" not in added.output
    (credential,) = _credentials(home_path)
    assert credential.base_url == base_url
    kept = {name: secret.reveal() for name, secret in credential.secrets.items()}
    assert {name: kept[name] for name in secrets} == secrets
    files = [path for path in home_path.rglob("*") if path.is_file()]
    assert b"canary" not in b"".join(path.read_bytes() for path in files)


def test_a_field_is_a_files_content(run: Run, home_path: Path, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text('{\n  "type": "service_account",\n  "private_key": "-----BEGIN\\nX"\n}\n')
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    field = "--field", f"vertex_ai_credentials=@{tmp_path}/key.json"
    run("providers", "add", "vertex_ai", *field, "--field", "vertex_ai_project=p")
    (credential,) = _credentials(home_path)
    assert credential.secrets["vertex_ai_credentials"].reveal() == (
        '{"type":"service_account","private_key":"-----BEGIN\\nX"}'
    )
    refused = run("providers", "add", "vertex_ai", "--field", f"vertex_ai_credentials=@{tmp_path}/binary", code=2)
    assert "is no text" in refused.stderr


def test_what_stands_beside_a_key_in_the_environment_may_be_there_too(run: Run, home_path: Path) -> None:
    run("providers", "add", "cloudflare", "--api-key-env", "CF", CF="k", CLOUDFLARE_ACCOUNT_ID="a")
    (credential,) = _credentials(home_path)
    assert credential.secrets == {"api_key": Secret("k"), "account_id": Secret("a")}
    refused = run("providers", "add", "cloudflare", "--name", "b", "--api-key-env", "CF", code=2, CF="k")
    assert "needs its Account id" in refused.stderr


def test_missing_fields_are_asked_for(run: Run, home_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    added = run("providers", "add", "cloudflare", stdin="canary\nacc\n")
    assert "Cloudflare Workers AI API token" in added.output
    assert "Cloudflare Workers AI Account id" in added.output
    assert "canary" not in added.output
    (credential,) = _credentials(home_path)
    assert credential.secrets == {"api_key": Secret("canary"), "account_id": Secret("acc")}


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
    assert shown == [["SECRET", "HOME", "FOR", "MANAGED", "BY"], ["yes"], []]
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


@pytest.mark.parametrize("provider_id", ["huggingface", "voyage"])
def test_a_provider_without_a_free_request_says_so(run: Run, provider_id: str) -> None:
    run("providers", "add", provider_id, "--api-key", "k")
    line = run("providers", "test").stdout
    assert line.startswith(f"?     {provider_id}/default  ")
    assert "has no free request that proves a key: the first call will tell" in line


class _Cloud(BaseHTTPRequestHandler):
    """Amazon's list of calls, and Google's token endpoint: keeps what it heard, and answers as it is told."""

    heard: list[tuple[str, dict[str, str], bytes]]
    answer: list[tuple[int, dict[str, str], bytes]]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.heard.append((self.path, headers, body))
        status, more, answer = self.answer[0]
        self.send_response(status)
        for name, value in {"content-length": str(len(answer)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def cloud() -> Iterator[tuple[str, type[_Cloud]]]:
    handler = type("Handler", (_Cloud,), {"heard": [], "answer": [(200, {}, b"{}")]})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    thread.join()
    server.server_close()


AWS_KEYS = ("--field", "aws_access_key_id=AKIA", "--field", "aws_secret_access_key=canary-aws")


def test_testing_amazon_signs_a_request_that_asks_no_model(run: Run, cloud: tuple[str, type[_Cloud]]) -> None:
    url, handler = cloud
    run("providers", "add", "bedrock", *AWS_KEYS, "--base-url", url)
    assert run("providers", "test").stdout == f"ok    bedrock/default  {url}/async-invoke answered 200\n"
    ((path, headers, body),) = handler.heard
    assert (path, body) == ("/async-invoke", b"")
    moment = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    credential = AwsCredential("AKIA", Secret("canary-aws"))
    request = UnsignedRequest("GET", headers["host"], path)
    assert dict(sign(request, SigningScope("us-east-1", "bedrock"), credential, moment)) == {
        "x-amz-date": headers["x-amz-date"],
        "authorization": headers["authorization"],
    }


def test_testing_amazon_tells_a_wrong_key_from_a_missing_permission(run: Run, cloud: tuple[str, type[_Cloud]]) -> None:
    url, handler = cloud
    run("providers", "add", "bedrock", *AWS_KEYS, "--base-url", url)
    for reason in ("AccessDeniedException", "UnrecognizedClientException"):
        handler.answer[0] = (403, {"x-amzn-ErrorType": reason}, b'{"message": "canary-aws"}')
        line = run("providers", "test", code=1).stdout
        assert line == f"FAIL  bedrock/default  {url}/async-invoke answered 403 Forbidden ({reason})\n"


def test_testing_amazon_with_a_bearer_key(run: Run, cloud: tuple[str, type[_Cloud]]) -> None:
    url, handler = cloud
    run("providers", "add", "bedrock", "--api-key", "canary-key", "--base-url", url)
    run("providers", "test")
    assert handler.heard[0][1]["authorization"] == "Bearer canary-key"


def test_testing_google_buys_a_token(run: Run, cloud: tuple[str, type[_Cloud]], tmp_path: Path) -> None:
    url, handler = cloud
    account = {
        "type": "service_account",
        "client_email": "me@p.iam",
        "private_key": new_private_key(),
        "token_uri": f"{url}/token",
    }
    (tmp_path / "key.json").write_text(json.dumps(account))
    field = "--field", f"vertex_ai_credentials=@{tmp_path}/key.json"
    run("providers", "add", "vertex_ai", *field, "--field", "vertex_ai_project=p")
    handler.answer[0] = (200, {}, b'{"access_token": "canary-token", "expires_in": 3599}')
    assert run("providers", "test").stdout == f"ok    google_vertex_ai/default  {url}/token gave me@p.iam a token\n"
    (path, headers, body), *_ = handler.heard
    assert (path, headers["content-type"]) == ("/token", "application/x-www-form-urlencoded")
    assert body.startswith(b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey")

    handler.answer[0] = (400, {}, b'{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}')
    line = run("providers", "test", code=1).stdout
    assert "answered 400 Bad Request: Google refuses a token: invalid_grant: Invalid JWT Signature." in line
    handler.answer[0] = (200, {}, b"canary-token")
    assert "canary" not in run("providers", "test", code=1).stdout


def test_testing_google_with_what_is_no_account(run: Run, tmp_path: Path) -> None:
    run("providers", "add", "vertex_ai", "--api-key", '{"type": "user"}', "--field", "vertex_ai_project=p")
    assert "FAIL  google_vertex_ai/default  `type` of the Google credential" in run("providers", "test", code=1).stdout


def new_private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
