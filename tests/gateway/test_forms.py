"""Forms as transcripts: which bytes of an upload reach the provider, and what the record says of it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from gantry.board.board import Word
from gantry.core.vocabulary import Outcome
from tests.gateway.conftest import UPSTREAM_KEY, Node, Upstream, running_node
from tests.gateway.uploads import (
    BOUNDARY,
    FORM_TYPE,
    MISTRAL,
    OPENAI,
    SOUND,
    TRANSCRIBED,
    TRANSCRIPT,
    TRANSCRIPTIONS,
    URLENCODED_TYPE,
    Taken,
    chunked,
    file,
    form,
    hears,
    part,
    post,
    settled,
    taking,
    under_way,
)

Runner = Callable[[Any], Any]
BARE, PREFIXED = part("model", b"voxtral-mini-latest"), part("model", b"mistral/voxtral-mini-latest")
MEGABYTE = 1 << 20


@pytest.mark.parametrize("parts", [(BARE, file()), (file(), BARE), (part("stream", b"false"), BARE, file())])
@pytest.mark.parametrize("way", ["whole", "in two", "byte by byte"])
def test_a_form_without_an_edit_leaves_as_the_bytes_it_came(
    run: Runner, tmp_path: Path, parts: tuple[bytes, ...], way: str
) -> None:
    body = form(*parts)
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            request = post(node, body, FORM_TYPE, MISTRAL)
            head = len(request) - len(body)
            size = {"whole": len(request), "in two": head + len(parts[0]) + 200, "byte by byte": 1}[way]
            for start in range(0, len(request), size):
                client.send(request[start : start + size])
                await client.writer.drain()
                await asyncio.sleep(0)
            answer = await client.answer()
            assert (answer.status, answer.body) == (200, TRANSCRIPT)
            assert [(one.body, one.length, one.chunked) for one in taken] == [(body, len(body), False)]
            assert FORM_TYPE.lower() in taken[0].head.lower()
            opened, closed, captured = await node.one_call()
            assert opened.operation == "transcription"
            assert opened.requested_model == "voxtral-mini-latest"
            assert json.loads(opened.request_body)["model"] == "voxtral-mini-latest"
            assert (closed.outcome, closed.request_bytes, captured) == (Outcome.SUCCESS, len(body), TRANSCRIPT)
            client.leave()

    run(main())


@pytest.mark.parametrize("client_chunks", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_a_prefix_is_taken_off_the_model_and_nothing_else_changes(
    run: Runner, tmp_path: Path, client_chunks: bool, whole: bool
) -> None:
    body, expected = form(PREFIXED, file()), form(BARE, file())
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            sent = chunked(body) if client_chunks else body
            framing = b"Transfer-Encoding: chunked" if client_chunks else b"Content-Length: %d" % len(body)
            request = post(node, sent, FORM_TYPE, MISTRAL, framing=framing)
            cut = len(request) if whole else len(request) - 60
            client.send(request[:cut])
            if not whole:
                await asyncio.sleep(0.05)
                client.send(request[cut:])
            assert (await client.answer()).status == 200
            assert taken[0].body == expected
            assert taken[0].chunked == (not whole)
            assert taken[0].length == (len(expected) if whole else None)
            client.leave()

    run(main())


OURS: dict[str, Any] = {
    "customer_identifier": "u-1",
    "metadata": {"team": "x"},
    "respan_params": {"thread_identifier": "t-1"},
    "customer_params": {"email": "a@b.example"},
    "disable_log": "false",
}


def ours() -> list[bytes]:
    fields = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in OURS.items()]
    fields.append(("customer_credentials", '{"openai": {"api_key": "canary-customer"}}'))
    return [part(name, value.encode()) for name, value in fields]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    "parts",
    [
        [*ours(), BARE, file()],
        [BARE, *ours(), file()],
        [BARE, file(), *ours()],
        [file(), *ours(), BARE],
        [file(), BARE, *ours()],
    ],
)
def test_fields_of_ours_are_lifted_and_logged_and_never_reach_the_provider(
    run: Runner, tmp_path: Path, parts: list[bytes], whole: bool
) -> None:
    taken: list[Taken] = []
    expected = form(*(one for one in parts if one not in ours()))

    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            request = post(node, form(*parts), FORM_TYPE, MISTRAL)
            file_first = parts[0].startswith(file()[:60])
            cut = len(request) if whole or not file_first else request.index(parts[2]) + 50
            client.send(request[:cut])
            if cut < len(request):
                await under_way(node)
                client.send(request[cut:])
            assert (await client.answer()).status == 200
            assert taken == [Taken(taken[0].head, expected)]
            opened, _, _ = await node.one_call()
            params = json.loads(opened.params)
            assert (params["customer_identifier"], params["thread_identifier"]) == ("u-1", "t-1")
            assert params["customer_params"] == OURS["customer_params"]
            assert json.loads(opened.metadata) == OURS["metadata"]
            assert b"canary" not in opened.params + opened.request_body
            client.leave()

    run(main())


FLATTENED = {
    "customer_credentials[openai][api_key]": "canary-customer",
    "respan_params[customer_identifier]": "u-1",
    "respan_params[fallback_models][]": "mistral/voxtral-small-latest",
    "metadata[team]": "x",
}


@pytest.mark.parametrize("agent", [OPENAI, MISTRAL])
def test_fields_that_a_client_flattened_are_ours_all_the_same(run: Runner, tmp_path: Path, agent: bytes) -> None:
    """As OpenAI's clients write what is added to an upload: the credential is used, and goes no further as a field."""
    taken: list[Taken] = []
    parts = [part(name, value.encode()) for name, value in FLATTENED.items()]

    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            got = await node.ask(TRANSCRIPTIONS, form(*parts, BARE, file()), agent, FORM_TYPE)
            assert got.status == 200, got.body
            opened, _, _ = await node.one_call()
            fallbacks = {"fallback_models": ["mistral/voxtral-small-latest"]}
            assert json.loads(opened.params) == {"customer_identifier": "u-1", **fallbacks}
            assert json.loads(opened.metadata) == {"team": "x"}
            for text in (taken[0].head + taken[0].body, *(path.read_bytes() for path in files(node))):
                for name in (b"canary", b"respan_params", b"customer_credentials", b"metadata["):
                    assert name not in text.replace(UPSTREAM_KEY.encode(), b"")

    run(main())


def files(node: Node) -> list[Path]:
    return [path for path in node.home.journal.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [1, 37, 4096])
@pytest.mark.parametrize("model", [BARE, PREFIXED], ids=["bare", "prefixed"])
@pytest.mark.parametrize(
    ("late", "param"),
    [
        (part("customer_credentials", b'{"mistral": {"api_key": "canary-customer"}}'), "customer_credentials"),
        (part("customer_credentials[x][api_key]", b"canary-customer"), "customer_credentials[x][api_key]"),
        (part("respan_params", b'{"customer_identifier": "canary-customer"}'), "respan_params"),
        (part("metadata", b'{"a": "canary-customer"}'), "metadata"),
        (part("model", b"canary-customer"), "model"),
        (part("file_id", b"canary-customer"), "file_id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "late",
)
def test_what_comes_behind_the_file_too_late_to_act_on_refuses_the_call(
    run: Runner, tmp_path: Path, late: bytes, param: str, model: bytes, size: int
) -> None:
    """A file that is under way cannot be routed anew, and a credential that is ignored is charged to somebody else."""

    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, [])).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            body = form(model, file(SOUND * 40), late)
            request = post(node, body, FORM_TYPE, MISTRAL)
            start = len(request) - len(late) - 100
            client.send(request[:start])
            await hears(upstream, SOUND[:1000])
            for place in range(start, len(request), size):
                client.send(request[place : place + size])
                await asyncio.sleep(0)
            answer = await client.answer()
            assert answer.status == 400
            assert param in json.loads(answer.body)["message"]
            await upstream.connections[0].closed.wait()
            assert b"canary-customer" not in upstream.heard
            _, closed, _ = await node.one_call()
            assert (closed.outcome, closed.status) == (Outcome.REFUSED, 400)
            client.leave()

    run(main())


@pytest.mark.parametrize(
    ("content_type", "body", "said"),
    [
        (b"multipart/form-data", form(BARE, file()), "boundary"),
        (b"multipart/form-data; boundary=", form(BARE, file()), "boundary"),
        (b"multipart/form-data; boundary=other", form(BARE, file()), "cut short"),
        (b"multipart/form-data; boundary=other", form(BARE, file(SOUND * 9)), "does not begin"),
        (b"multipart/form-data; boundary=a; boundary=b", form(BARE, file()), "boundary"),
        (b"multipart/form-data; boundary=" + b"x" * 71, form(BARE, file()), "boundary"),
        (b"multipart/mixed; boundary=" + BOUNDARY, form(BARE, file()), "JSON"),
        (FORM_TYPE[14:], b"", "cut short"),
        (FORM_TYPE[14:], form(BARE, file())[:-20], "cut short"),
        (FORM_TYPE[14:], form(file()), "`model` is missing"),
        (FORM_TYPE[14:], form(file(), part("model", b"")), "`model` is missing"),
        (FORM_TYPE[14:], form(BARE, BARE, file()), "`model` more than once"),
        (FORM_TYPE[14:], form(BARE, file(), BARE), "`model` more than once"),
        (FORM_TYPE[14:], form(BARE, file(), file(b"secret", "model")), "`model` is a file"),
        (FORM_TYPE[14:], form(file(b"voxtral", "model"), file()), "`model` is a file"),
        (FORM_TYPE[14:], form(file(b"{}", "customer_credentials"), BARE), "`customer_credentials` is a file"),
        (FORM_TYPE[14:], form(part("model", b"\xff"), file()), "UTF-8"),
        (FORM_TYPE[14:], form(part("respan_params", b"[1]"), BARE, file()), "JSON object"),
        (FORM_TYPE[14:], form(part("respan_params", b"{nope"), BARE, file()), "JSON object"),
        (FORM_TYPE[14:], form(part("metadata", b"text"), BARE, file()), "JSON object"),
        (FORM_TYPE[14:], form(part("metadata", b"[" * 20_000), BARE, file()), "JSON object"),
        (FORM_TYPE[14:], form(part("customer_credentials", b"{" * 20_000), BARE, file()), "must be an object"),
        (b"application/x-www-form-urlencoded", b"file_id=1", "`model` is missing"),
        (b"application/x-www-form-urlencoded", b"model=a&file_id=1&mod%65l=b", "`model` more than once"),
        (b"application/x-www-form-urlencoded", b"", "`model` is missing"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_form_that_cannot_be_understood_is_refused_before_the_provider_hears_of_it(
    run: Runner, tmp_path: Path, content_type: bytes, body: bytes, said: str, whole: bool
) -> None:
    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, [])).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            request = post(node, body, b"Content-Type: " + content_type, MISTRAL)
            cut = len(request) if whole else len(request) - len(body)
            client.send(request[:cut])
            if not whole:
                await asyncio.sleep(0.02)
                client.send(request[cut:])
            answer = await client.answer()
            assert answer.status == 400, answer.body
            assert said in json.loads(answer.body)["message"]
            assert upstream.heard == b""
            _, closed, _ = await node.one_call()
            assert (closed.outcome, closed.status) == (Outcome.REFUSED, 400)
            assert node.slot[Word.IN_FLIGHT] == 0
            client.leave()

    run(main())


def test_a_key_with_a_model_list_cannot_go_round_it_by_a_form(run: Runner, tmp_path: Path) -> None:
    forms = [
        form(part("model", b"voxtral-small-latest"), file()),
        form(file(), part("model", b"mistral/voxtral-small-latest")),
        form(file()),
        form(BARE, part("model", b"voxtral-small-latest"), file()),
        form(BARE, file(b"voxtral-small-latest", "model"), file()),
        form(BARE, part("model", b"voxtral-small-latest", b"\r\nContent-Type: application/octet-stream"), file()),
    ]

    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, [])).running() as upstream,
            running_node(tmp_path, upstream.url, models=("voxtral-mini-latest",)) as node,
        ):
            for body in forms:
                client = await node.connect()
                client.send(post(node, body, FORM_TYPE, MISTRAL))
                assert (await client.answer()).status in (400, 403)
                client.leave()
            assert upstream.heard == b""

    run(main())


def test_a_urlencoded_form_is_edited_field_by_field(run: Runner, tmp_path: Path) -> None:
    kept = b"file_url=https%3a%2F%2Fx.example%2Fa.mp3&stream=false&language=en+GB"
    sent = b"model=mistral%2Fvoxtral-mini-latest&customer_identifier=u%2B1&" + kept + b"&respan_params=%7B%22a%22:1%7D"
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            client.send(post(node, sent, URLENCODED_TYPE, MISTRAL))
            assert (await client.answer()).status == 200
            assert taken[0].body == b"model=voxtral-mini-latest&" + kept
            opened, _, _ = await node.one_call()
            assert json.loads(opened.params) == {"customer_identifier": "u+1", "a": 1}
            assert json.loads(opened.request_body) == {
                "model": "mistral/voxtral-mini-latest",
                **dict(parse_qsl(kept.decode())),
            }
            client.leave()

    run(main())


def test_an_identifier_of_digits_stays_the_text_it_was(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, [])).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            body = form(part("customer_identifier", b"12345678901234567890"), BARE, file())
            client.send(post(node, body, FORM_TYPE, MISTRAL))
            assert (await client.answer()).status == 200
            opened, _, _ = await node.one_call()
            assert json.loads(opened.params) == {"customer_identifier": "12345678901234567890"}
            client.leave()

    run(main())


def test_parameters_come_from_the_header_and_from_metadata_too(run: Runner, tmp_path: Path) -> None:
    metadata = b'{"a": 1, "respan_params": {"customer_identifier": "m", "thread_identifier": "m"}}'
    header = b'X-Gantry-Params: {"customer_identifier": "h", "trace_name": "h"}'
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            body = form(part("metadata", metadata), part("thread_identifier", b"top"), BARE, file())
            client.send(post(node, body, FORM_TYPE, MISTRAL, header))
            assert (await client.answer()).status == 200
            assert taken[0].body == form(BARE, file())
            opened, _, _ = await node.one_call()
            assert json.loads(opened.params) == {
                "customer_identifier": "m",
                "thread_identifier": "top",
                "trace_name": "h",
            }
            assert json.loads(opened.metadata) == {"a": 1}
            client.leave()

    run(main())


@pytest.mark.parametrize("model", [BARE, PREFIXED], ids=["bare", "prefixed"])
@pytest.mark.parametrize("early", [False, True])
def test_a_client_that_leaves_within_its_form_frees_the_upstream(
    run: Runner, tmp_path: Path, model: bytes, early: bool
) -> None:
    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, [])).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            parts = (file(SOUND * 9), model) if early else (model, file(SOUND * 9))
            request = post(node, form(*parts), FORM_TYPE, MISTRAL)
            client.send(request[: len(request) - 200])
            if not early:
                await hears(upstream, SOUND[:100])
            else:
                await under_way(node)
            client.leave()
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.CLIENT_GONE
            if early:
                assert upstream.heard == b""
            else:
                await upstream.connections[0].closed.wait()
            await settled(node)
            assert node.worker._state.bytes_held == 0

    run(main())


def test_forms_may_be_pipelined(run: Runner, tmp_path: Path) -> None:
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(TRANSCRIBED, taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            client = await node.connect()
            bodies = [form(BARE, file()), form(PREFIXED, file()), form(file(SOUND * 3), BARE)]
            client.send(b"".join(post(node, body, FORM_TYPE, MISTRAL) for body in bodies))
            for _ in bodies:
                assert (await client.answer()).body == TRANSCRIPT
            assert [one.body for one in taken] == [bodies[0], form(BARE, file()), bodies[2]]
            client.leave()

    run(main())
