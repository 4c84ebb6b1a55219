"""All recorded Mistral and OpenAI chat traffic through the gateway: byte-identical to the client, understood on record.

The replay server plays the provider and cuts its answers as told; the rows are those that the clerk stores.
"""

import asyncio
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.board.board import Board
from gantry.clerk.rated_meter import RatedMeter
from gantry.clerk.record import Recorder
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Outcome
from gantry.prices.load import load_rates
from gantry.store.logs import LogStore
from tests.dialects.test_answer_recordings import Exchange, exchanges, expected_usage, read_naively
from tests.gateway.conftest import Node, running_node

pytestmark = pytest.mark.slow
Runner = Callable[[Any], Any]

FAMILIES = {
    # dialect of the recordings → (path, user agent, model prefix)
    "mistral_chat": ("/api/v1/chat/completions", b"User-Agent: mistral-client-python/3.7.0", "mistral/"),
    "openai_chat": ("/api/chat/completions", b"User-Agent: OpenAI/Python 3.54.0", "vllm/"),
}


def load_replay(shared: Path) -> Any:
    spec = importlib.util.spec_from_file_location("replay", shared / "tools" / "replay.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def request_of(recording: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return the recorded request's body, or the least that could have been asked where none was recorded."""
    body = recording["request"].get("body")
    if not isinstance(body, dict) or "messages" not in body:
        body = {"messages": [{"role": "user", "content": "hi"}]}
    model = recording.get("model") or "unrecorded"
    return {**body, "model": prefix + model, "stream": bool(recording["stream"])}


@pytest.mark.parametrize("chunk_bytes", [0, 7, 1000])
@pytest.mark.parametrize("folder", sorted(FAMILIES))
@pytest.mark.timeout(240)
def test_recordings_relay_byte_for_byte_and_are_understood(
    run: Runner, shared: Path, tmp_path: Path, folder: str, chunk_bytes: int
) -> None:
    path, agent, prefix = FAMILIES[folder]
    replay = load_replay(shared).Replay(shared / "recordings", chunk_bytes=chunk_bytes)
    readings: dict[str, Exchange] = {exchange.file: exchange for exchange in exchanges(shared, folder)}

    recordings = [
        (file, json.loads(file.read_bytes())) for file in sorted((shared / "recordings").glob(f"*/{folder}/*.json"))
    ]

    async def relay(node: Node, file: Path, recording: dict[str, Any]) -> tuple[str, str]:
        body = request_of(recording, prefix)
        raw = json.dumps(body, ensure_ascii=False).encode()
        answer = await node.ask(path, raw, agent, b"x-replay-id: " + recording["id"].encode())
        expected = replay.recordings[recording["id"]]
        assert answer.status == recording["response"]["status"], file.name
        assert answer.body == expected.payload(), file.name
        received = replay.requests[-1]["body"]
        assert received == {**body, "model": body["model"].removeprefix(prefix)}, file.name
        return f"{file.parent.parent.name}/{file.name}", answer.headers["x-gantry-log-id"]

    async def main() -> list[tuple[str, str]]:
        await replay.start()
        async with running_node(tmp_path, replay.url) as node:
            served = [await relay(node, file, recording) for file, recording in recordings]
        await replay.close()
        await asyncio.sleep(0)
        return served

    served = run(main())
    assert len(served) > 100
    rows = store_all(tmp_path)
    assert len(rows) == len(served)
    for name, log_id in served:
        if name in readings:
            check_row(rows[log_id], readings[name])


OPERATIONS = {
    "mistral_agents": "agents",
    "mistral_audio_speech": "speech",
    "mistral_audio_transcriptions": "transcription",
    "mistral_conversations": "conversations",
    "mistral_embeddings": "embeddings",
    "mistral_files": "files",
    "mistral_moderations": "chat_moderation",
    "mistral_ocr": "ocr",
}
BOUNDARY = b"f00d"


def body_of(recording: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return the content type and the bytes of a recorded request, or the least that could have been asked."""
    request = recording["request"]
    if request["method"] == "GET":
        return b"", b""
    parts = request.get("multipart")
    if parts is None and recording["dialect"] == "mistral_audio_transcriptions":
        parts = [{"name": "model", "value": recording.get("model") or "voxtral-mini-latest"}]
    if parts is None:
        body = request.get("body") or {"model": recording.get("model") or "mistral-small-latest", "inputs": "hi"}
        return b"application/json", json.dumps(body, ensure_ascii=False).encode()
    form = b""
    for part in parts:
        name, value = part["name"], part.get("value")
        if part.get("filename"):
            form += b'--%b\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n\r\n%b\r\n' % (
                BOUNDARY,
                name.encode(),
                part["filename"].encode(),
                bytes(part["size"]),
            )
        else:
            form += b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (
                BOUNDARY,
                name.encode(),
                str(value).encode(),
            )
    return b"multipart/form-data; boundary=" + BOUNDARY, form + b"--%b--\r\n" % BOUNDARY


@pytest.mark.parametrize("chunk_bytes", [0, 7])
@pytest.mark.timeout(240)
def test_recordings_of_mistrals_other_operations_relay_byte_for_byte(
    run: Runner, shared: Path, tmp_path: Path, chunk_bytes: int
) -> None:
    """All but the list of models, which the gateway merges over the providers and answers itself."""
    replay = load_replay(shared).Replay(shared / "recordings", chunk_bytes=chunk_bytes)
    files = [
        file for folder in sorted(OPERATIONS) for file in sorted((shared / "recordings/mistral" / folder).iterdir())
    ]
    recordings = [json.loads(file.read_bytes()) for file in files]

    async def relay(node: Node, recording: dict[str, Any]) -> tuple[str, str]:
        content_type, body = body_of(recording)
        request, expected = recording["request"], replay.recordings[recording["id"]]
        answer = await node.ask(
            "/api" + request["path"],
            body,
            b"User-Agent: mistral-client-python/3.7.0",
            b"x-replay-id: " + recording["id"].encode(),
            *((b"content-type: " + content_type,) if content_type else ()),
            method=request["method"],
        )
        assert answer.status == recording["response"]["status"], (recording["id"], answer.body[:300])
        assert answer.body == expected.payload(), recording["id"]
        return answer.headers["x-gantry-log-id"], OPERATIONS[recording["dialect"]]

    async def main() -> list[tuple[str, str]]:
        await replay.start()
        try:
            async with running_node(tmp_path, replay.url) as node:
                return [await relay(node, recording) for recording in recordings]
        finally:
            await replay.close()
            await asyncio.sleep(0)

    served = run(main())
    assert len(served) >= 24
    rows = store_all(tmp_path)
    for log_id, operation in served:
        row = rows[log_id]
        assert (row.operation, row.outcome, row.provider_id) == (operation, Outcome.SUCCESS, "mistral")
        assert row.output, row.path


def store_all(tmp_path: Path) -> dict[str, RequestLog]:
    """Let the clerk's recorder store what the journal holds; return the rows by log id."""
    home = tmp_path / "home"
    store = LogStore(tmp_path / "logs.db")
    recorder = Recorder(
        home / "journal", home / "rejected", store, RatedMeter(load_rates()), Board(home / "board").slot(1)
    )
    while recorder.run_once():
        pass
    assert not list((home / "rejected").glob("*")) if (home / "rejected").exists() else True
    rows, _ = store.tail("o1", 0, limit=10_000)
    found = {row.log_id: row for row in rows}
    store.close()
    return found


def check_row(row: RequestLog, exchange: Exchange) -> None:
    file = exchange.file
    assert row.status_code == exchange.status, file
    if exchange.status >= 400:
        assert row.outcome is Outcome.UPSTREAM_ERROR, file
        assert row.error_message, file
        return
    assert row.outcome is Outcome.SUCCESS, file
    naive = read_naively(exchange)
    usage = row.usage
    if naive.usage is not None:
        assert not usage.estimated, file
        assert (
            usage.input_tokens,
            usage.output_tokens,
            usage.total_tokens,
            usage.cached_input_tokens,
            usage.reasoning_tokens,
        ) == expected_usage(naive.usage), file
    else:
        assert usage.estimated or usage.input_tokens is None, file
    assert row.finish_reason == naive.finish_reason, file
    message = json.loads(row.output) if row.output else {}
    if isinstance(message, list):  # several candidates: the first is the one compared
        message = message[0]
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(item["text"] for item in content if item["type"] == "text")
    assert (content or None) == (naive.text or None), file
    calls = [
        (call.get("id"), *(call.get("function") or call["custom"]).values())
        for call in json.loads(row.tool_calls or "[]")
    ]
    assert calls == naive.calls, file
    # The record is closed before the bytes of [DONE] leave, so the line's end may come too late for it.
    assert (row.full_response or b"").rstrip() == exchange.raw.rstrip(), file
