"""The meter on every operation: its log type, its units, its cost, and what a person reads of it."""

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gantry.clerk.meter import meter_call
from gantry.core.request_log import RequestLog
from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import ContentPolicy, Operation
from gantry.dialects.redact import redact_body
from gantry.journal.frames import AttemptRecord
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates
from tests.clerk.samples import closed, opened

TOKENS = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
LARGE = "mistral-large-latest"
FORM = "multipart/form-data; boundary=x"


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


def meter(
    rates: Rates,
    operation: Operation,
    request: Any,
    response: Any,
    *,
    model: str | None = LARGE,
    path: str = "/v1/x",
    content_type: str = "application/json",
    request_type: str = "application/json",
    status: int = 200,
    policy: ContentPolicy = ContentPolicy.FULL,
    usage: bytes = b"",
    changes: list[str] | None = None,
) -> RequestLog:
    asked = request if isinstance(request, bytes) else json.dumps(request).encode()
    answered = response if isinstance(response, bytes) else json.dumps(response).encode()
    call = replace(
        opened(1, body=asked), operation=operation, path=path, request_content_type=request_type, content_policy=policy
    )
    attempt = AttemptRecord("mistral", "c", "main", model, "relay", status, "success")
    end = replace(
        closed(1, body=answered),
        attempts=[attempt],
        status=status,
        response_content_type=content_type,
        usage=usage,
        changes=changes or [],
    )
    return meter_call(call, asked, answered, end, rates)


TYPES = {
    Operation.CHAT: "chat",
    Operation.FIM: "completion",
    Operation.AGENT_CHAT: "chat",
    Operation.RESPONSES: "response",
    Operation.RESPONSE: "other",
    Operation.EMBEDDINGS: "embedding",
    Operation.MODERATION: "guardrail",
    Operation.OCR: "task",
    Operation.TRANSCRIPTION: "transcription",
    Operation.SPEECH: "speech",
    Operation.CONVERSATIONS: "agent",
    Operation.BATCHES: "batch",
    Operation.FILES: "other",
    Operation.OPAQUE: "unknown",
}


@pytest.mark.parametrize("operation", Operation)
def test_the_log_type(rates: Rates, operation: Operation) -> None:
    log = meter(rates, operation, {}, {})
    assert log.log_type == TYPES.get(operation, log.log_type)
    assert (log.log_type == "unknown") == (operation is Operation.OPAQUE)


def test_a_realtime_connection_is_typed_by_its_path(rates: Rates) -> None:
    for path, expected in (
        ("/v1/audio/speech/realtime", "speech"),
        ("/v1/audio/transcriptions/realtime", "transcription"),
    ):
        assert meter(rates, Operation.REALTIME, b"", b"", path=path).log_type == expected


def test_changes_and_parameters_are_on_the_row(rates: Rates) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    request = {"messages": [], "tools": tools, "temperature": 0.5, "max_tokens": 7}
    log = meter(rates, Operation.CHAT, request, {}, changes=["seed: renamed to random_seed"])
    assert json.loads(log.changes or "") == ["seed: renamed to random_seed"]
    assert (log.tools, log.temperature, log.max_tokens) == ('["f"]', 0.5, 7)
    assert meter(rates, Operation.CHAT, request, {}, policy=ContentPolicy.METADATA).tools is None


def test_a_completion_reads_as_text(rates: Rates) -> None:
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "x = 1"}}]}
    log = meter(rates, Operation.FIM, {"prompt": "def f(", "suffix": "return x"}, answer)
    assert (log.input, log.output) == ('{"prompt":"def f(","suffix":"return x"}', "x = 1")


def test_speech_is_billed_by_the_characters_asked_for(rates: Rates) -> None:
    sound = {"audio_data": base64.b64encode(bytes(30)).decode()}
    log = meter(rates, Operation.SPEECH, {"input": "héllo"}, sound, model="voxtral-mini-tts-2603")
    assert (log.usage, log.cost) == (Usage(characters=5), 5 * 16_000)
    assert (log.input, log.output) == ("héllo", '{"audio":"[30 bytes]"}')
    refused = meter(rates, Operation.SPEECH, {"input": "héllo"}, {"detail": "no"}, status=422)
    assert (refused.usage, refused.cost, refused.error_message) == (NO_USAGE, None, "no")


@pytest.mark.parametrize(
    ("extra", "annotated", "cost"),
    [({}, None, 3 * 4_000_000), ({"document_annotation_format": {"type": "json_schema"}}, 3, 3 * 5_000_000)],
)
def test_pages(rates: Rates, extra: dict[str, Any], annotated: int | None, cost: int) -> None:
    request = {"model": "m", "document": {"document_url": "https://h/a.pdf"}, **extra}
    answer = {"pages": [{"markdown": "# a"}], "usage_info": {"pages_processed": 3, "doc_size_bytes": 9}}
    log = meter(rates, Operation.OCR, request, answer, model="mistral-ocr-latest")
    assert (log.usage, log.cost) == (Usage(pages=3, annotated_pages=annotated), cost)
    assert (log.output, json.loads(log.input or "")["document"]) == ("# a", {"document_url": "https://h/a.pdf"})


def test_a_transcription_from_an_upload(rates: Rates) -> None:
    upload = (
        b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nvoxtral-mini-latest\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n'
        + b"\xff" * 99
        + b"\r\n--x--\r\n"
    )
    answer = {"model": "voxtral-mini-latest", "text": "hi", "language": None, "usage": {"prompt_audio_seconds": 203}}
    log = meter(rates, Operation.TRANSCRIPTION, upload, answer, model="voxtral-mini-latest", request_type=FORM)
    assert (log.usage, log.cost) == (Usage(input_audio_seconds=Decimal(203)), 10_150_000)
    assert json.loads(log.input or "") == {"model": "voxtral-mini-latest", "file": {"name": "a.mp3", "bytes": 99}}
    assert log.output == "hi"


def test_embeddings_show_no_floats(rates: Rates) -> None:
    answer = {"model": "mistral-embed", "data": [{"embedding": [0.5] * 1024}] * 2, "usage": TOKENS}
    log = meter(rates, Operation.EMBEDDINGS, {"input": ["a", "b"]}, answer, model="mistral-embed")
    assert (log.input, log.output) == ('["a", "b"]', '{"embeddings":2,"dimensions":1024}')
    assert log.cost == 100_000


def line(number: int, model: str = LARGE) -> bytes:
    body = {"id": f"c{number}", "model": model, "choices": [], "usage": TOKENS}
    return json.dumps({"id": f"b{number}", "response": {"status_code": 200, "body": body}}).encode() + b"\n"


def test_batch_results_are_billed_when_fetched(rates: Rates) -> None:
    log = meter(rates, Operation.FILES, b"", line(1) + line(2), model=None, content_type="application/octet-stream")
    assert log.usage == Usage(input_tokens=2000, output_tokens=1000, total_tokens=3000)
    assert (log.cost, log.price_missing, log.model) == (1_250_000, False, LARGE)
    assert json.loads(log.output or "") == {"results": 2, "failed": 0, "models": {LARGE: 2}}
    again = meter(rates, Operation.FILES, b"", line(2) + line(1), model=None)
    assert (log.response_id or "").startswith("batch-results:")
    assert again.response_id == log.response_id


@pytest.mark.parametrize("operation", [Operation.FILES, Operation.BATCHES])
def test_results_whose_content_is_withheld_are_not_billed_by_their_last_line(
    rates: Rates, operation: Operation
) -> None:
    log = meter(
        rates, operation, b"", b"", model=None, usage=json.dumps(TOKENS).encode(), policy=ContentPolicy.METADATA
    )
    assert (log.usage, log.cost, log.price_missing) == (NO_USAGE, None, False)
    assert "were not counted" in (log.warnings or "")


@pytest.mark.parametrize("kept", [True, False])
def test_what_is_read_again_is_not_billed_again(rates: Rates, kept: bool) -> None:
    response = {"id": "resp_1", "object": "response", "model": LARGE, "output": [], "usage": TOKENS}
    log = (
        meter(rates, Operation.RESPONSE, b"", response, model=None)
        if kept
        else meter(rates, Operation.RESPONSE, b"", b"", model=None, usage=json.dumps(TOKENS).encode())
    )
    assert (log.usage, log.usage_raw, log.cost, log.price_missing) == (NO_USAGE, None, None, False)
    assert (log.model, log.response_id) == ((LARGE, "resp_1") if kept else (None, None))


@pytest.mark.parametrize("operation", [Operation.AGENT_CHAT, Operation.RESPONSES, Operation.CONVERSATIONS])
def test_a_stream_that_died_is_estimated(rates: Rates, operation: Operation) -> None:
    events = {
        Operation.AGENT_CHAT: b'{"choices":[{"index":0,"delta":{"content":"hello, world"}}]}',
        Operation.RESPONSES: b'{"type":"response.output_text.delta","delta":"hello, world"}',
        Operation.CONVERSATIONS: b'{"type":"message.output.delta","content":"hello, world"}',
    }
    body = b"data: " + events[operation] + b"\n\n"
    log = meter(rates, operation, {"input": "x"}, body, content_type="text/event-stream")
    assert (log.usage.estimated, log.usage.output_tokens) == (True, 3)


def test_what_was_redacted_is_shown(rates: Rates) -> None:
    request = redact_body(b'{"messages":[{"role":"user","content":"I am jane@example.com"}]}', "application/json")
    pieces = ("Hello jane@exam", "ple.com")
    chunks = [{"model": LARGE, "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    stream = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    stream += b'data: {"choices":[],"usage":' + json.dumps(TOKENS).encode() + b"}\n\n"
    log = meter(
        rates,
        Operation.CHAT,
        request,
        redact_body(stream, "text/event-stream"),
        content_type="text/event-stream",
        policy=ContentPolicy.REDACTED,
    )
    assert (log.input, json.loads(log.output or "")["content"]) == (
        '[{"role":"user","content":"I am [email]"}]',
        "Hello [email]",
    )
    assert (log.cost, log.warnings) == (1_250_000, None)
    assert b"example.com" not in (log.full_request or b"") + (log.full_response or b"")


FOLDERS = {
    "mistral_ocr": (Operation.OCR, "mistral-ocr-latest"),
    "mistral_audio_transcriptions": (Operation.TRANSCRIPTION, "voxtral-mini-latest"),
    "mistral_embeddings": (Operation.EMBEDDINGS, "mistral-embed"),
    "mistral_conversations": (Operation.CONVERSATIONS, LARGE),
    "mistral_moderations": (Operation.MODERATION, "mistral-moderation-latest"),
    "mistral_files": (Operation.FILES, None),
    "mistral_agents": (Operation.AGENTS, None),
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_recording_becomes_a_whole_log(shared: Path, rates: Rates, folder: str) -> None:
    operation, model = FOLDERS[folder]
    count = 0
    for path in (shared / "recordings" / "mistral" / folder).glob("*.json"):
        recording = json.loads(path.read_bytes())
        answer, asked = recording["response"]["body"], recording["request"].get("body")
        log = meter(rates, operation, asked or b"", answer, model=model, status=recording["response"]["status"])
        count += 1
        assert log.warnings is None, (path, log.warnings)
        assert log.output, path
        assert (log.input is None) == (asked is None), path
        if log.usage != NO_USAGE:
            assert log.cost is not None, path
        assert len(log.output) < 20_000 or operation is Operation.OCR, path
    assert count >= 1


@pytest.mark.parametrize("operation", [Operation.EMBEDDINGS, Operation.EMBEDDING, Operation.RERANK])
@pytest.mark.parametrize("kept", [True, False])
def test_where_nothing_is_put_out_the_total_is_the_input(rates: Rates, operation: Operation, kept: bool) -> None:
    usage = {"total_tokens": 7}
    answered = {"data": [{"index": 0, "embedding": [1], "relevance_score": 1}], "usage": usage}
    reported = b"" if kept else json.dumps(usage).encode()
    response = answered if kept else b""
    log = meter(rates, operation, {"input": "a"}, response, model="mistral-embed", usage=reported)
    assert (log.usage.input_tokens, log.usage.total_tokens, log.usage.estimated) == (7, 7, False)
    assert log.cost == 700
