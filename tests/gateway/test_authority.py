"""What proves a request, over sockets: Amazon's signatures, and tokens that a worker buys for service accounts."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gantry.core.errors import GatewayError, InternalError, Overloaded
from gantry.core.secret import Secret
from gantry.core.vocabulary import Dialect, Environment, Operation, Outcome
from gantry.dial.origin import Origin, parse_base_url
from gantry.dial.pool import Dialler, Pool
from gantry.gateway import authority
from gantry.gateway.authority import AccountTokens, TokenNeeded, authority_lines
from gantry.gateway.call import Call
from gantry.gateway.state import Account
from gantry.providers.sigv4 import AwsCredential, SigningScope, UnsignedRequest, sign
from gantry.providers.spec import load_catalog
from gantry.routing.plan import Wish
from gantry.routing.planner import plan
from gantry.routing.snapshot import Body, CredentialRecord, KeyTable, Snapshot, build_key_table
from tests.gateway.catalogue import holding, publish, silent
from tests.gateway.conftest import Answer, Node, Upstream, answering, json_answer, running_node
from tests.gateway.uploads import Taken, taking

Runner = Callable[[Any], Any]
AWS = {
    "api_key": "",
    "aws_access_key_id": "AKIDEXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "aws_session_token": "",
    "aws_region_name": "us-east-1",
}
CONVERSED = json_answer(
    b'{"output":{"message":{"role":"assistant","content":[{"text":"Hello!"}]}},"stopReason":"end_turn",'
    b'"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5}}'
)
GENERATED = json_answer(
    b'{"candidates":[{"content":{"role":"model","parts":[{"text":"Hello!"}]},"finishReason":"STOP","index":0}],'
    b'"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5}}'
)
MESSAGES = [{"role": "user", "content": "hi"}]
LLAMA = {"model": "bedrock/us.meta.llama4-v1:0", "messages": MESSAGES}
GEMINI = {"model": "vertex_ai/gemini-2.5-flash", "messages": MESSAGES}


@pytest.fixture(autouse=True)
def _no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    for secret in ("canary", "PRIVATE KEY", AWS["aws_secret_access_key"], "Bearer "):
        assert secret not in caplog.text


def stored(provider: str, base_url: str, secrets: dict[str, str]) -> CredentialRecord:
    kept = {name: Secret(text) for name, text in secrets.items()}
    return CredentialRecord(f"c-{provider}", "o1", provider, "main", base_url, kept)


async def ask(node: Node, body: dict[str, Any], path: str = "/api/chat/completions") -> Answer:
    return await node.ask(path, json.dumps(body).encode())


def lines_of(head: bytes) -> tuple[str, dict[str, str]]:
    """Return the request line and the headers of what was heard."""
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    return first, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


# Amazon


@pytest.mark.parametrize(
    ("session", "lines"),
    [  # as botocore 1.4x signs the same request at the same moment
        (
            "",
            "x-amz-date: 20261122T120000Z\r\nauthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/"
            "bedrock/aws4_request, SignedHeaders=host;x-amz-date, "
            "Signature=1ba47379c64f1c3fddbb087d7563e194e10b5719b08cc49e78296493e9eafa26\r\n",
        ),
        (
            "SESSION",
            "x-amz-date: 20261122T120000Z\r\nx-amz-security-token: SESSION\r\nauthorization: AWS4-HMAC-SHA256 "
            "Credential=AKIDEXAMPLE/20261122/us-east-1/bedrock/aws4_request, "
            "SignedHeaders=host;x-amz-date;x-amz-security-token, "
            "Signature=b7422688cb3d701a8f3007932403073c2ff598f6668410b2669c6a1aa86ab223\r\n",
        ),
    ],
)
def test_a_signature_is_amazons(monkeypatch: pytest.MonkeyPatch, session: str, lines: str) -> None:
    monkeypatch.setattr(authority, "time", SimpleNamespace(time=lambda: 1795348800.0))
    record = stored("bedrock", "https://bedrock-runtime.us-east-1.amazonaws.com", {**AWS, "aws_session_token": session})
    body = Body(1, 1, "t", tuple(load_catalog().values()), (record,), {})
    wish = Wish("o1", Environment.PROD, (Dialect.BEDROCK,), Operation.CHAT, "", "bedrock/us.meta.llama4-v1:0")
    (choice,) = plan(Snapshot(body, KeyTable("t", build_key_table([]), {})), wish, lambda: 0.0).choices
    (attempt,) = choice.attempts
    target = f"POST {attempt.path(stream=False)}".encode()
    host = "bedrock-runtime.us-east-1.amazonaws.com"
    desk = cast(AccountTokens, None)
    assert authority_lines(desk, attempt, target, host, b'{"a":1}').decode() == lines


@pytest.mark.parametrize("session", ["", "SESSION"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_signed_request_is_signed_as_it_is_sent(run: Runner, tmp_path: Path, session: str, stream: bool) -> None:
    taken: list[Taken] = []

    async def main() -> None:
        async with Upstream(taking(CONVERSED, taken)).running() as up, running_node(tmp_path, up.url) as node:
            await publish(node, 6, [stored("bedrock", up.url, {**AWS, "aws_session_token": session})])
            got = await ask(node, {**LLAMA, "stream": stream})
            assert stream or json.loads(got.body)["choices"][0]["message"]["content"] == "Hello!"
            first, headers = lines_of(taken[0].head)
            suffix = "-stream" if stream else ""
            assert first == f"POST /model/us.meta.llama4-v1%3A0/converse{suffix} HTTP/1.1"
            request = UnsignedRequest(
                "POST", headers["host"], first.split(" ")[1], body_hash=sha256(taken[0].body).hexdigest()
            )
            credential = AwsCredential(
                AWS["aws_access_key_id"], Secret(AWS["aws_secret_access_key"]), Secret(session) if session else None
            )
            moment = moment_of(headers["x-amz-date"])
            for name, value in sign(request, SigningScope("us-east-1", "bedrock"), credential, moment):
                assert headers[name] == value
            assert ("x-amz-security-token" in headers) is bool(session)
            await settled(node, AWS["aws_secret_access_key"], AWS["aws_access_key_id"], session)

    run(main())


def test_a_key_for_bedrock_is_a_bearers(run: Runner, tmp_path: Path) -> None:
    taken: list[Taken] = []

    async def main() -> None:
        async with Upstream(taking(CONVERSED, taken)).running() as up, running_node(tmp_path, up.url) as node:
            await publish(node, 6, [stored("bedrock", up.url, {**AWS, "api_key": "canary-bearer"})])
            assert (await ask(node, LLAMA)).status == 200
            _, headers = lines_of(taken[0].head)
            assert headers["authorization"] == "Bearer canary-bearer"
            assert "x-amz-date" not in headers
            await settled(node, "canary-bearer", AWS["aws_secret_access_key"])

    run(main())


def test_half_an_access_key_calls_nobody(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(answering(CONVERSED)).running() as up, running_node(tmp_path, up.url) as node:
            await publish(node, 6, [stored("bedrock", up.url, {**AWS, "aws_secret_access_key": ""})])
            got = await ask(node, LLAMA)
            assert "has neither an API key nor an access key" in json.loads(got.body)["error"]["message"]
            assert up.connections == []
            await settled(node)

    run(main())


@pytest.mark.parametrize(
    "brought",
    [
        {"customer_credentials": {"bedrock": {"aws_access_key_id": "AKIA", "aws_secret_access_key": "canary"}}},
        {"customer_credentials": [{"weight": 1, "credentials": {"bedrock": {"api_key": "canary"}}}]},
        {"credential_override": {"bedrock/us.meta.llama4-v1:0": {"api_key": "canary"}}},
    ],
)
def test_a_callers_region_is_a_part_of_amazons_host(run: Runner, tmp_path: Path, brought: dict[str, Any]) -> None:
    """A caller's own fields go to Amazon's host, so a region that would make another of it is refused."""

    def with_region(value: Any, region: str) -> Any:
        if isinstance(value, dict):
            if "api_key" in value or "aws_access_key_id" in value:
                return {**value, "aws_region_name": region}
            return {name: with_region(each, region) for name, each in value.items()}
        return [with_region(each, region) for each in value] if isinstance(value, list) else value

    async def main() -> None:
        async with Upstream(answering(CONVERSED)).running() as up, running_node(tmp_path, up.url) as node:
            host = up.url.removeprefix("http://")
            for region in (f"x@{host}/", f"{host}#", "a b"):
                got = await ask(node, {**LLAMA, **with_region(brought, region)})
                assert got.status == 400
                assert "has characters that no host has" in json.loads(got.body)["error"]["message"]
            assert up.connections == []

    run(main())


# Google


class Keys(NamedTuple):
    """A service account's key, and what of it must be seen nowhere."""

    text: str
    secret: str


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def account(private_key: str, token_url: str) -> Keys:
    found = {"type": "service_account", "client_email": "me@p.iam", "private_key": private_key, "token_uri": token_url}
    return Keys(json.dumps(found), private_key.splitlines()[5])


def vertex(base_url: str, keys: Keys) -> CredentialRecord:
    fields = {"vertex_ai_credentials": keys.text, "vertex_ai_project": "p", "vertex_ai_location": "us-central1"}
    return stored("google_vertex_ai", base_url, fields)


def token(name: str, seconds: float = 3599) -> bytes:
    return json_answer(json.dumps({"access_token": name, "expires_in": seconds, "token_type": "Bearer"}).encode())


def test_a_token_is_bought_once_for_all_who_wait(run: Runner, tmp_path: Path, private_key: str) -> None:
    gate = asyncio.Event()
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(GENERATED, taken)).running() as up,
            Upstream(holding(token("canary-token"), gate)).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            keys = account(private_key, f"{google.url}/token")
            await publish(node, 6, [vertex(up.url, keys)])
            asking = [asyncio.create_task(ask(node, GEMINI)) for _ in range(5)]
            await waiting_for_token(node, 5)
            assert up.connections == []
            gate.set()
            assert [answer.status for answer in await asyncio.gather(*asking)] == [200] * 5
            assert (await ask(node, GEMINI)).status == 200
            assert len(google.connections) == 1
            assert {lines_of(each.head)[1]["authorization"] for each in taken} == {"Bearer canary-token"}
            assert len(taken) == 6
            await settled(node, keys.secret, "canary-token", "canary-upstream", calls=6)

    run(main())


def test_a_token_is_asked_for_with_a_signed_claim(run: Runner, tmp_path: Path, private_key: str) -> None:
    asked: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(answering(GENERATED)).running() as up,
            Upstream(taking(token("t"), asked)).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            await publish(node, 6, [vertex(up.url, account(private_key, f"{google.url}/oauth/token"))])
            assert (await ask(node, GEMINI)).status == 200
            first, headers = lines_of(asked[0].head)
            assert first == "POST /oauth/token HTTP/1.1"
            assert headers["content-type"] == "application/x-www-form-urlencoded"
            form = parse_qs(asked[0].body.decode())
            assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
            assert len(form["assertion"][0].split(".")) == 3
            assert up.heard.startswith(
                b"POST /v1/projects/p/locations/us-central1/publishers/google/models/gemini-2.5-flash:generateContent "
            )
            assert node.key.encode() not in google.heard

    run(main())


def test_a_token_is_replaced_ahead_of_its_end_and_awaited_after_it(
    run: Runner, tmp_path: Path, private_key: str
) -> None:
    clock = SimpleNamespace(now=1_000_000.0)
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(GENERATED, taken)).running() as up,
            Upstream(*(answering(token(f"t{n}", 3600), close=True) for n in range(1, 4))).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            node.worker._state.desk = AccountTokens(node.worker._state, lambda: clock.now)
            await publish(node, 6, [vertex(up.url, account(private_key, f"{google.url}/token"))])
            await ask(node, GEMINI)
            clock.now += 3299  # more than five minutes are left
            await ask(node, GEMINI)
            assert len(google.connections) == 1
            clock.now += 2
            await ask(node, GEMINI)  # with the token that still serves; another is bought meanwhile
            await until(lambda: not bought(node))
            await ask(node, GEMINI)
            assert len(google.connections) == 2
            clock.now += 4000
            await ask(node, GEMINI)
            assert len(google.connections) == 3
            shown = [lines_of(each.head)[1]["authorization"] for each in taken]
            assert shown == ["Bearer t1", "Bearer t1", "Bearer t1", "Bearer t2", "Bearer t3"]

    run(main())


def test_calls_do_not_each_buy_what_could_serve_longer(run: Runner, tmp_path: Path, private_key: str) -> None:
    clock = SimpleNamespace(now=1_000_000.0)

    async def main() -> None:
        async with (
            Upstream(answering(GENERATED)).running() as up,
            Upstream(answering(token("t", 200))).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            node.worker._state.desk = AccountTokens(node.worker._state, lambda: clock.now)
            await publish(node, 6, [vertex(up.url, account(private_key, f"{google.url}/token"))])
            for _ in range(5):
                assert (await ask(node, GEMINI)).status == 200
                await until(lambda: not bought(node))
            assert google.heard.count(b"POST /token") == 2
            clock.now += 11
            assert (await ask(node, GEMINI)).status == 200
            await until(lambda: not bought(node))
            assert google.heard.count(b"POST /token") == 3

    run(main())


def test_a_token_that_ends_at_once_is_not_bought_for_ever(run: Runner, tmp_path: Path, private_key: str) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(GENERATED)).running() as up,
            Upstream(answering(token("t", 1e-9))).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            await publish(node, 6, [vertex(up.url, account(private_key, f"{google.url}/token"))])
            got = await asyncio.wait_for(ask(node, GEMINI), 5)
            assert (got.status, b"ends at once" in got.body) == (502, True)
            assert google.heard.count(b"POST /token") == 1
            assert len(await settled(node)) == 1

    run(main())


def test_one_calls_fault_is_not_that_of_others_who_wait(
    run: Runner, tmp_path: Path, private_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[GatewayError | None] = []

    def stumble(error: GatewayError | None) -> None:
        heard.append(error)
        if error is None:
            raise RuntimeError("a fault of this call")

    async def main() -> None:
        async with (
            Upstream(answering(GENERATED)).running() as up,
            Upstream(answering(token("t"))).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            desk = node.worker._state.desk
            mine = Account(Secret(account(private_key, f"{google.url}/token").text), False)
            desk.wait(mine, stumble)
            desk.wait(mine, heard.append)
            await until(lambda: len(heard) == 3)
            assert [type(error) for error in heard] == [type(None), InternalError, type(None)]
            assert desk.token(mine) == "t"

    run(main())
    assert "a fault of this call" in caplog.text


@pytest.mark.plain
def test_an_account_that_cannot_be_dialled_is_tried_again(
    run: Runner, tmp_path: Path, private_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(GENERATED)).running() as up,
            Upstream(answering(token("t"))).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            await publish(node, 6, [vertex(up.url, account(private_key, f"{google.url}/token"))])
            dialler = node.worker._state.dialler
            with monkeypatch.context() as patch:
                full = parse_base_url(google.url, private=True).origin
                pool = Dialler.pool.__get__(dialler)
                patch.setattr(dialler, "pool", lambda origin: refuse(origin) if origin == full else pool(origin))
                assert (await ask(node, GEMINI)).status == 503
            assert (await ask(node, GEMINI)).status == 200

    def refuse(origin: Origin) -> Pool:
        raise Overloaded(f"no room for {origin.host}")

    run(main())


REFUSED = json_answer(b'{"error":"invalid_grant","error_description":"Invalid JWT Signature."}', b"400 Bad Request")


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/api/chat/completions", GEMINI, ("error", "message")),
        ("/api/anthropic/v1/messages", {**GEMINI, "max_tokens": 5}, ("error", "message")),
        (
            "/api/google/vertexai/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-flash:generateContent",
            {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
            ("error", "message"),
        ),
    ],
)
def test_a_refused_token_is_told_in_the_callers_words(
    run: Runner, tmp_path: Path, private_key: str, path: str, body: dict[str, Any], where: tuple[str, str]
) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(GENERATED)).running() as up,
            Upstream(answering(REFUSED)).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            keys = account(private_key, f"{google.url}/token")
            await publish(node, 6, [vertex(up.url, keys)])
            got = await ask(node, body, path)
            told = json.loads(got.body)[where[0]][where[1]]
            assert "Google refuses a token: invalid_grant: Invalid JWT Signature." in told
            assert got.status == 502
            assert up.connections == []
            closed = await settled(node, keys.secret)
            assert closed == [Outcome.UPSTREAM_UNREACHABLE]  # no answer of the provider's

    run(main())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (json_answer(b"<html>canary-page"), "is not the JSON it should be"),
        (json_answer(b'{"access_token":"canary-token"}'), "`expires_in`"),
        (json_answer(b"{}"), "`access_token` is missing"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/stolen\r\ncontent-length: 0\r\n\r\n", "is not the JSON"),
    ],
)
def test_an_odd_answer_of_the_token_endpoint_is_an_error(
    run: Runner, tmp_path: Path, private_key: str, answer: bytes, words: str
) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(GENERATED)).running() as up,
            Upstream(answering(answer)).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            keys = account(private_key, f"{google.url}/token")
            await publish(node, 6, [vertex(up.url, keys)])
            got = await ask(node, GEMINI)
            assert (got.status, words in json.loads(got.body)["error"]["message"]) == (502, True)
            assert b"canary" not in got.body
            await settled(node, "canary", keys.secret)
            assert len(google.connections) == 1  # no call waits for a token any more, so none is bought
            assert (await ask(node, GEMINI)).status == 502

    run(main())


def test_a_slow_token_endpoint_is_not_waited_for_for_ever(
    run: Runner, tmp_path: Path, private_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authority, "_PATIENCE", 0.1)

    async def main() -> None:
        async with (
            Upstream(answering(GENERATED)).running() as up,
            Upstream(silent).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            await publish(node, 6, [vertex(up.url, account(private_key, f"{google.url}/token"))])
            got = await ask(node, GEMINI)
            assert got.status == 504
            assert "did not answer within 0.1 s" in json.loads(got.body)["error"]["message"]
            assert up.connections == []
            assert await settled(node) == [Outcome.TIMEOUT]

    run(main())


def test_an_upload_waits_for_its_token_too(run: Runner, tmp_path: Path, private_key: str) -> None:
    gate = asyncio.Event()

    async def main() -> None:
        taken: list[Taken] = []
        async with (
            Upstream(taking(GENERATED, taken)).running() as up,
            Upstream(holding(token("t"), gate)).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            await publish(node, 6, [vertex(up.url, account(private_key, f"{google.url}/token"))])
            client = await node.connect()
            body = b"not json" * 1000
            request = node.request("/api/google/vertexai/v1/projects/p/things", body, b"Content-Type: text/plain")
            head, _, _ = request.partition(b"\r\n\r\n")
            client.send(head + b"\r\n\r\n" + body[:10])
            await waiting_for_token(node, 1)
            client.send(body[10:])
            gate.set()
            assert (await client.answer()).status == 200
            assert [one.body for one in taken] == [body]
            assert b"authorization: bearer t\r\n" in taken[0].head.lower()
            assert await settled(node) == [Outcome.SUCCESS]
            client.leave()

    run(main())


def test_what_waits_for_a_token_is_let_go_with_its_client(run: Runner, tmp_path: Path, private_key: str) -> None:
    gate = asyncio.Event()

    async def main() -> None:
        async with (
            Upstream(answering(GENERATED)).running() as up,
            Upstream(holding(token("t"), gate)).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            await publish(node, 6, [vertex(up.url, account(private_key, f"{google.url}/token"))])
            client = await node.connect()
            client.send(node.request("/api/chat/completions", json.dumps(GEMINI).encode()))
            await waiting_for_token(node, 1)
            (call,) = [call for call in node.worker._state.calls if isinstance(call, Call)]
            client.leave()
            assert await settled(node) == [Outcome.CLIENT_GONE]
            assert (call._question, call._body) == (None, [])
            gate.set()
            await until(lambda: not bought(node))

    run(main())


def test_a_call_without_its_token_is_recorded_with_what_it_asked(run: Runner, tmp_path: Path, private_key: str) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(GENERATED)).running() as up,
            Upstream(answering(REFUSED)).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            await publish(node, 6, [vertex(up.url, account(private_key, f"{google.url}/token"))])
            await ask(node, GEMINI)
            opened, _, _ = await node.one_call()
            assert opened.requested_model == GEMINI["model"]
            assert json.loads(opened.request_body) == GEMINI

    run(main())


def test_a_websocket_does_not_leave_without_its_token(run: Runner, tmp_path: Path, private_key: str) -> None:
    async def main() -> None:
        async with Upstream(answering(GENERATED)).running() as up, running_node(tmp_path, up.url) as node:
            await publish(node, 6, [vertex(up.url, account(private_key, f"{up.url}/token"))])
            lines = (
                b"Connection: Upgrade",
                b"Upgrade: websocket",
                b"Sec-WebSocket-Version: 13",
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            )
            got = await node.ask("/api/google/vertexai/v1/live", b"", *lines, method="GET")
            assert (got.status, b"cannot be reached by WebSocket" in got.body) == (400, True)
            assert up.connections == []
            assert await settled(node) == [Outcome.REFUSED]

    run(main())


def test_a_token_endpoint_that_is_down_is_named(run: Runner, tmp_path: Path, private_key: str) -> None:
    async def main() -> None:
        async with Upstream(answering(GENERATED)).running() as up, running_node(tmp_path, up.url) as node:
            await publish(node, 6, [vertex(up.url, account(private_key, "http://127.0.0.1:1/token"))])
            got = await ask(node, GEMINI)
            assert got.status == 502
            assert "127.0.0.1:1" in json.loads(got.body)["error"]["message"]
            assert up.connections == []
            assert await settled(node) == [Outcome.UPSTREAM_UNREACHABLE]

    run(main())


def test_a_client_that_leaves_while_it_waits_is_one_record(run: Runner, tmp_path: Path, private_key: str) -> None:
    gate = asyncio.Event()

    async def main() -> None:
        async with (
            Upstream(answering(GENERATED)).running() as up,
            Upstream(holding(token("t"), gate)).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            await publish(node, 6, [vertex(up.url, account(private_key, f"{google.url}/token"))])
            client = await node.connect()
            client.send(node.request("/api/chat/completions", json.dumps(GEMINI).encode()))
            await waiting_for_token(node, 1)
            client.leave()
            assert await settled(node) == [Outcome.CLIENT_GONE]
            gate.set()
            await until(lambda: not bought(node))
            assert up.connections == []
            assert (await ask(node, GEMINI)).status == 200
            assert len(google.connections) == 1  # what was bought for the one that left serves the next

    run(main())


def test_a_callers_account_buys_at_no_private_address(run: Runner, tmp_path: Path, private_key: str) -> None:
    """The endpoint is named in the key, and so by the caller: it must not reach what only the gateway reaches."""

    async def main() -> None:
        async with (
            Upstream(answering(GENERATED)).running() as up,
            Upstream(answering(token("t"))).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            for url, status, words in (
                (f"{google.url}/token", 400, "`token_uri` of the service account's key must begin with https://"),
                ("https://127.0.0.1:1/token", 502, "is a private address"),
                ("https://169.254.169.254/token", 502, "is not an address that a provider can have"),
            ):
                fields = {"vertex_ai_credentials": json.loads(account(private_key, url).text), "vertex_ai_project": "p"}
                got = await ask(node, {**GEMINI, "customer_credentials": {"google_vertex_ai": fields}})
                assert (got.status, words in json.loads(got.body)["error"]["message"]) == (status, True), got.body
            assert google.connections == []

    run(main())


def test_what_a_caller_calls_an_account_fills_no_memory(run: Runner, tmp_path: Path, private_key: str) -> None:
    async def main() -> None:
        async with Upstream(answering(GENERATED)).running() as up, running_node(tmp_path, up.url) as node:
            key = json.loads(account(private_key, "https://example.com/token").text) | {"more": "x" * 100_000}
            fields = {"vertex_ai_credentials": key, "vertex_ai_project": "p"}
            got = await ask(node, {**GEMINI, "customer_credentials": {"google_vertex_ai": fields}})
            assert (got.status, b"longer than" in got.body) == (400, True)
            desk = node.worker._state.desk
            assert isinstance(desk, AccountTokens)
            assert desk._desks == {}

    run(main())


def test_callers_accounts_are_forgotten_before_stored_ones(
    run: Runner, tmp_path: Path, private_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authority, "_MAX_ACCOUNTS", 3)

    async def main() -> None:
        async with (
            Upstream(answering(GENERATED)).running() as up,
            Upstream(answering(token("t"))).running() as google,
            running_node(tmp_path, up.url) as node,
        ):
            await publish(node, 6, [vertex(up.url, account(private_key, f"{google.url}/token"))])
            assert (await ask(node, GEMINI)).status == 200
            desk = node.worker._state.desk
            assert isinstance(desk, AccountTokens)
            for number in range(8):
                with pytest.raises(TokenNeeded):
                    desk.token(Account(Secret(f"a caller's, {number}"), True))
                assert len(desk._desks) <= 3
            assert (await ask(node, GEMINI)).status == 200
            assert google.heard.count(b"POST /token") == 1

    run(main())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"type":"authorized_user"}', "`type` of the Google credential"),
        ('{"type":"service_account","client_email":"a","private_key":"canary"}', "`private_key`"),
        ('{"type":"service_account","client_email":"a"}', "`private_key` is missing"),
    ],
)
def test_what_is_no_service_account_is_said_so(run: Runner, tmp_path: Path, text: str, words: str) -> None:
    async def main() -> None:
        async with Upstream(answering(GENERATED)).running() as up, running_node(tmp_path, up.url) as node:
            await publish(node, 6, [vertex(up.url, Keys(text, ""))])
            got = await ask(node, GEMINI)
            assert words in json.loads(got.body)["error"]["message"]
            assert b"canary" not in got.body
            await settled(node, '"canary"')

    run(main())


# What is seen of all this from outside


def moment_of(stamp: str) -> float:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came about")


def bought(node: Node) -> bool:
    """Say whether a token is being bought."""
    desk = node.worker._state.desk
    assert isinstance(desk, AccountTokens)
    return any(each._buying for each in desk._desks.values())


async def waiting_for_token(node: Node, count: int) -> None:
    desk = node.worker._state.desk
    assert isinstance(desk, AccountTokens)
    await until(lambda: sum(len(each.waiting) for each in desk._desks.values()) == count)


async def settled(node: Node, *secrets: str, calls: int = 1) -> list[Outcome]:
    """Return the outcomes of the recorded calls once all are closed; no secret may be in the journal."""
    await until(lambda: [end is not None for _, end, _ in node.calls()] == [True] * calls)
    journal = b"".join(path.read_bytes() for path in node.home.journal.rglob("*") if path.is_file())
    for secret in filter(None, secrets):
        assert secret.encode() not in journal
    return [Outcome(end.outcome) for _, end, _ in node.calls() if end is not None]


def test_a_fallback_whose_token_is_not_there_yet_is_passed_over_and_explained_as_if_it_were(
    run: Runner, tmp_path: Path, private_key: str
) -> None:
    """The token is bought for those who come later."""
    answer = json_answer(b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[]}')
    refused = json_answer(b"{}", b"503 No")
    body = {"model": "mistral/m", "messages": MESSAGES, "fallback_models": [GEMINI["model"], "openai/gpt-4o"]}

    async def main() -> None:
        async with (
            Upstream(silent).running() as google,
            Upstream(answering(refused)).running() as up,
            Upstream(answering(answer)).running() as last,
            running_node(tmp_path, up.url) as node,
        ):
            keys = account(private_key, f"{google.url}/token")
            mistral, openai = stored("mistral", up.url, {"api_key": "k"}), stored("openai", last.url, {"api_key": "k"})
            await publish(node, 6, [mistral, vertex(up.url, keys), openai])
            assert (await ask(node, body)).status == 200
            assert last.heard.count(b"POST ") == 1
            await google.hears(b"\r\n\r\n")
            explained = await ask(node, GEMINI, "/api/route/explain")
            assert explained.status == 200
            assert json.loads(explained.body)["route"]["attempts"][0]["provider_id"] == "google_vertex_ai"

    run(main())
