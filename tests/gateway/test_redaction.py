"""What a key's content policy keeps out of the journal, looked for in the raw bytes of its files."""

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gantry.core.vocabulary import ContentPolicy
from gantry.journal.writer import JournalLevel
from gantry.wire.body import LAST_CHUNK, encode_chunk
from tests.gateway.conftest import STREAM_HEAD, Node, Upstream, answering, json_answer, running_node
from tests.gateway.test_relay import CHAT, MISTRAL, event
from tests.gateway.uploads import FORM_TYPE, file, form, part, post, taking
from tests.journal.levels import hold_at

Runner = Callable[[Any], Any]
ADDRESS = b"jane.doe@canary.example"
FULL, REDACTED, METADATA, NOTHING = ContentPolicy
USAGE = b'"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}'


def ask_about(content: bytes, rest: bytes = b"") -> bytes:
    return b'{"model":"mistral-small-latest","messages":[{"role":"user","content":"%b"}]%b}' % (content, rest)


def answer_with(content: bytes) -> bytes:
    return b'{"id":"1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"%b"}}],%b}' % (
        content,
        USAGE,
    )


def journal(node: Node) -> bytes:
    return b"".join(path.read_bytes() for path in node.home.journal.rglob("*") if path.is_file())


def stream_of(*texts: bytes) -> bytes:
    events = [event(b'"delta":{"content":"%b"},"finish_reason":null' % text) for text in texts]
    return b"".join((*events, event(b'"delta":{},"finish_reason":"stop"', b"," + USAGE), b"data: [DONE]\n\n"))


def encoded(body: bytes, encoding: bytes) -> bytes:
    data = gzip.compress(body) if encoding == b"gzip" else body
    return json_answer(data, b"200 OK", b"content-encoding: " + encoding)


@pytest.mark.parametrize("size", [1, 9, 100_000])
def test_an_address_split_over_tokens_never_reaches_the_journal(run: Runner, tmp_path: Path, size: int) -> None:
    texts = [b"write to jane", b".doe@can", b"ary.exa", b"mple", b" now"]
    stream = stream_of(*texts)
    pieces = [encode_chunk(stream[start : start + size]) for start in range(0, len(stream), size)]

    async def main() -> None:
        async with (
            Upstream(answering(STREAM_HEAD, *pieces, LAST_CHUNK)).running() as upstream,
            running_node(tmp_path, upstream.url, content_policy=REDACTED) as node,
        ):
            answer = await node.ask(CHAT, ask_about(ADDRESS, b',"stream":true'), MISTRAL)
            assert answer.body == stream
            opened, closed, captured = await node.one_call()
            assert "[email]" in json.loads(opened.request_body)["messages"][0]["content"]
            assert json.loads(captured)["choices"][0]["message"]["content"] == "write to [email] now"
            assert json.loads(captured)["usage"]["total_tokens"] == 7
            assert not closed.truncated
            for part in (ADDRESS, *texts[:3], b"jane", b"canary"):
                assert part not in journal(node)

    run(main())


@pytest.mark.parametrize("encoding", [b"identity", b"gzip"])
@pytest.mark.parametrize("policy", [REDACTED, METADATA, NOTHING])
def test_no_policy_but_full_keeps_what_an_encoded_answer_said(
    run: Runner, tmp_path: Path, encoding: bytes, policy: ContentPolicy
) -> None:
    body = answer_with(b"mail " + ADDRESS)

    async def main() -> None:
        async with (
            Upstream(answering(encoded(body, encoding))).running() as upstream,
            running_node(tmp_path, upstream.url, content_policy=policy) as node,
        ):
            await node.ask(CHAT, ask_about(ADDRESS), MISTRAL)
            opened, closed, captured = await node.one_call()
            assert ADDRESS not in journal(node)
            assert gzip.compress(body)[10:60] not in journal(node)
            assert opened.content_policy == policy
            if policy is REDACTED:
                assert json.loads(captured)["choices"][0]["message"]["content"] == "mail [email]"
                assert closed.response_content_encoding == ""
            else:
                assert (opened.request_body, captured) == (b"", b"")

    run(main())


def test_an_answer_beyond_the_bound_of_redaction_leaves_its_usage_alone(run: Runner, tmp_path: Path) -> None:
    body = answer_with(ADDRESS + b"x" * 300_000 + ADDRESS)

    async def main() -> None:
        async with (
            Upstream(answering(json_answer(body))).running() as upstream,
            running_node(tmp_path, upstream.url, content_policy=REDACTED) as node,
        ):
            await node.ask(CHAT, ask_about(ADDRESS * 12_000), MISTRAL)
            opened, closed, captured = await node.one_call()
            assert ADDRESS not in journal(node)
            assert (opened.request_body, captured, closed.truncated) == (b"", b"", True)
            assert msgspec.json.decode(closed.usage)["total_tokens"] == 7

    run(main())


@pytest.mark.parametrize("extra", [b"", b',"disable_log":true', b',"respan_params":{"disable_log":true}'])
@pytest.mark.parametrize("policy", [FULL, REDACTED, METADATA, NOTHING])
@pytest.mark.parametrize("level", [JournalLevel.NORMAL, JournalLevel.NO_BODIES])
def test_metadata_and_the_wish_not_to_be_logged_under_each_policy(
    run: Runner, tmp_path: Path, extra: bytes, policy: ContentPolicy, level: JournalLevel
) -> None:
    metadata = b',"metadata":{"owner":"%b"}' % ADDRESS

    async def main() -> None:
        async with (
            Upstream(answering(json_answer(answer_with(b"sesame")))).running() as upstream,
            running_node(tmp_path, upstream.url, content_policy=policy) as node,
        ):
            hold_at(node.worker.journal, level)
            await node.ask(CHAT, ask_about(b"sesame", metadata + extra), MISTRAL)
            opened, closed, captured = await node.one_call()
            kept = not extra and policy in (FULL, REDACTED) and level is JournalLevel.NORMAL
            assert (b"sesame" in journal(node)) == kept
            assert bool(opened.request_body) == bool(captured) == kept
            assert (ADDRESS in opened.metadata) == (policy in (FULL, METADATA))
            assert (b"[email]" in opened.metadata) == (policy is REDACTED)
            assert (opened.metadata == b"") == (policy is NOTHING)
            assert closed.usage or kept
            expected = policy if policy in (METADATA, NOTHING) or not extra else METADATA
            assert opened.content_policy == expected

    run(main())


def test_metadata_of_a_form_is_redacted_and_stands_in_no_other_place(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(taking(json_answer(b'{"text":"mail jane.doe@canary.example"}'), [])).running() as upstream,
            running_node(tmp_path, upstream.url, content_policy=REDACTED) as node,
        ):
            body = form(
                part("metadata", b'{"owner": "%b"}' % ADDRESS),
                part("model", b"voxtral-mini-latest"),
                part("context_bias", ADDRESS),
                file(),
            )
            client = await node.connect()
            client.send(post(node, body, FORM_TYPE, MISTRAL))
            assert (await client.answer()).status == 200
            client.leave()
            opened, _, captured = await node.one_call()
            assert json.loads(opened.metadata) == {"owner": "[email]"}
            assert json.loads(captured) == {"text": "mail [email]"}
            assert ADDRESS not in journal(node)

    run(main())


@pytest.mark.parametrize("policy", [REDACTED, METADATA, NOTHING])
@pytest.mark.parametrize(
    ("path", "body", "units"),
    [
        (
            "/api/v1/audio/speech",
            b'{"model":"voxtral-tts","input":"mail jane.doe@canary.example","voice_id":"v"}',
            {"characters": 28},
        ),
        (
            "/api/v1/ocr",
            b'{"model":"mistral-ocr-latest","document":{"type":"document_url","document_url":"https://x"},'
            b'"document_annotation_format":{"type":"json_schema"}}',
            {"annotated": True},
        ),
    ],
)
def test_units_that_only_the_request_tells_survive_each_policy(
    run: Runner, tmp_path: Path, policy: ContentPolicy, path: str, body: bytes, units: dict[str, Any]
) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(b'{"audio_data":"AAAA"}'))).running() as upstream,
            running_node(tmp_path, upstream.url, content_policy=policy) as node,
        ):
            await node.ask(path, body, MISTRAL)
            opened, _, _ = await node.one_call()
            assert json.loads(opened.units) == units
            assert ADDRESS not in journal(node)

    run(main())


def test_units_of_a_request_that_is_too_large_to_keep_whole_are_kept(run: Runner, tmp_path: Path) -> None:
    document = base64.b64encode(b"x" * 7_000_000)
    body = (
        b'{"model":"mistral-ocr-latest","document":{"type":"document_url","document_url":"data:application/pdf;base64,'
        + document
        + b'"},"document_annotation_format":{"type":"json_schema"}}'
    )

    async def main() -> None:
        async with (
            Upstream(answering(json_answer(b'{"pages":[],"usage_info":{"pages_processed":1}}'))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            assert (await node.ask("/api/v1/ocr", body, MISTRAL)).status == 200
            opened, closed, _ = await node.one_call()
            assert closed.truncated
            assert json.loads(opened.units) == {"annotated": True}

    run(main())
