"""Documents, sound, conversations and batches in depth: what each switch of a request changes in the answer."""

from typing import Any

import msgspec
import pytest

from gantry.simulator.exchange import Answer
from tests.simulator.test_operations import OCR, TEXT, Bench

WAV = (
    b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data"
)
HEAR = "/v1/audio/transcriptions"
TTS = "voxtral-mini-tts-latest"
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "required": ["b"]}}}
LINE = {"custom_id": "good", "body": {"messages": [{"role": "user", "content": "hi"}]}}
BAD_LINE = {"custom_id": "bad", "body": {"messages": []}}
JOB = {"endpoint": "/v1/chat/completions", "model": TEXT, "requests": [LINE, BAD_LINE]}


def ask(path: str, body: Any, bench: Bench | None = None, faults: str = "") -> Any:
    """Return the answer's JSON, or its events."""
    more = ((b"x-simulate", faults.encode()),) if faults else ()
    answer = (bench or Bench()).ask("POST", path, body, *more)
    assert answer.status == 200, answer.body
    return events(answer) if answer.streamed else msgspec.json.decode(answer.body)


def events(answer: Answer) -> list[Any]:
    lines = [line[6:] for part in answer.parts for line in part.split(b"\n") if line.startswith(b"data: ")]
    return [msgspec.json.decode(line) for line in lines if line != b"[DONE]"]


def read(**fields: Any) -> Any:
    return ask("/v1/ocr", {"model": OCR, "document": {"type": "document_url", "document_url": "u"}, **fields})


def test_a_page_has_what_was_asked_for() -> None:
    plain = read()["pages"][0]
    assert (plain["tables"], plain["header"], "blocks" in plain) == ([], None, False)
    assert plain["images"][0]["image_base64"] is None
    rich = read(
        table_format="html",
        extract_header=True,
        extract_footer=True,
        include_blocks=True,
        include_image_base64=True,
        confidence_scores_granularity="block",
    )["pages"][0]
    assert [block["type"] for block in rich["blocks"]] == ["title", "text", "table", "image"]
    assert (rich["blocks"][2]["table_id"], rich["blocks"][3]["image_id"]) == ("tbl-0", "img-0.jpeg")
    assert "confidence_scores" in rich["blocks"][0]
    assert (rich["tables"][0]["format"], rich["footer"]) == ("html", "Page 1")
    assert rich["images"][0]["image_base64"].startswith("data:image/jpeg;base64,")


def test_annotated_pages_are_counted_apart() -> None:
    usage = read(pages=[0, 4])["usage_info"]
    assert (usage["pages_processed"], "pages_processed_annotation" in usage) == (2, False)
    annotated = read(pages="1-3", document_annotation_format=SCHEMA, bbox_annotation_format=SCHEMA)
    assert annotated["usage_info"]["pages_processed_annotation"] == 3
    assert msgspec.json.decode(annotated["document_annotation"]) == {"b": "b"}
    assert msgspec.json.decode(annotated["pages"][0]["images"][0]["image_annotation"]) == {"b": "b"}


def form(**fields: str) -> bytes:
    parts = [
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    file = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + WAV + bytes(24_000)
    return "".join(parts).encode() + file + b"\r\n--B--\r\n"


def hear(**fields: str) -> Answer:
    return Bench().ask("POST", HEAR, form(model="voxtral-mini-latest", **fields))


def test_a_recording_is_as_long_as_its_header_says() -> None:
    answer = hear()
    whole = msgspec.json.decode(answer.body)
    assert (whole["usage"]["prompt_audio_seconds"], whole["segments"]) == (3, [])
    assert (b"x-ratelimit-audio-seconds-query-cost", b"3") in answer.headers


def test_segments_words_and_speakers() -> None:
    segments = msgspec.json.decode(hear(diarize="true").body)["segments"]
    assert {segment["speaker_id"] for segment in segments} == {"speaker_1"}
    words = msgspec.json.decode(hear(timestamp_granularities="word").body)["segments"]
    assert len(words) > len(segments)
    assert (words[0]["start"], words[-1]["end"], "speaker_id" in words[0]) == (0.0, 3.0, False)


def test_a_transcription_is_streamed_as_named_events_that_add_up() -> None:
    answer = hear(stream="true", **{"timestamp_granularities[]": "segment"})
    told = events(answer)
    assert [part.split(b"\n")[0].decode() for part in answer.parts] == [f"event: {item['type']}" for item in told]
    assert "".join(item["text"] for item in told if item["type"].endswith("delta")) == told[-1]["text"]
    assert "transcription.segment" in [item["type"] for item in told]
    assert told[-1]["usage"] == msgspec.json.decode(hear().body)["usage"]


@pytest.mark.parametrize("shape", ["pcm", "wav", "mp3", "flac", "opus"])
def test_speech_is_the_same_whole_and_streamed(shape: str) -> None:
    body = {"model": TTS, "input": "Mind the gap", "response_format": shape}
    told = ask("/v1/audio/speech", {**body, "stream": True})
    joined = b"".join(decode(item["audio_data"]) for item in told[:-1])
    assert joined == decode(ask("/v1/audio/speech", body)["audio_data"])
    assert told[-1]["usage"]["prompt_tokens"] == len("Mind the gap")


def decode(text: str) -> bytes:
    return msgspec.convert(text, bytes)


def test_a_conversation_uses_the_tools_it_names_and_counts_them() -> None:
    start = {"model": TEXT, "inputs": "do a web search please", "tools": [{"type": "web_search"}]}
    whole = ask("/v1/conversations", start)
    assert [output["type"] for output in whole["outputs"]] == ["tool.execution", "message.output"]
    assert (whole["usage"]["connectors"], whole["usage"]["connector_tokens"]) == ({"web_search": 1}, 250)
    told = ask("/v1/conversations", {**start, "stream": True})
    kinds = [item["type"] for item in told]
    opening = ["conversation.response.started", "tool.execution.started", "tool.execution.done", "message.output.delta"]
    assert (kinds[:4], kinds[-1]) == (opening, "conversation.response.done")
    assert "".join(item["content"] for item in told if "content" in item) == whole["outputs"][1]["content"]
    assert told[-1]["usage"] == whole["usage"]


def test_a_conversation_asks_for_functions_and_hears_their_results() -> None:
    bench = Bench()
    tool = {"type": "function", "function": {"name": "move", "parameters": {"type": "object"}}}
    first = ask("/v1/conversations", {"model": TEXT, "inputs": "move it", "tools": [tool]}, bench)
    (called,) = first["outputs"]
    assert (called["type"], called["name"]) == ("function.call", "move")
    result = {"type": "function.result", "tool_call_id": called["tool_call_id"], "result": "moved"}
    second = ask(f"/v1/conversations/{first['conversation_id']}", {"inputs": [result]}, bench)
    assert second["outputs"][0]["content"].startswith("The tool answered: moved")


def test_what_is_not_to_be_stored_is_not() -> None:
    bench = Bench()
    made = ask("/v1/conversations", {"model": TEXT, "inputs": "hi", "store": False}, bench)
    assert bench.ask("GET", f"/v1/conversations/{made['conversation_id']}").status == 404


def test_a_batch_runs_to_its_end_by_being_looked_at() -> None:
    bench = Bench()
    job = ask("/v1/batch/jobs", JOB, bench, "polls=3")
    path = f"/v1/batch/jobs/{job['id']}"
    cards = [msgspec.json.decode(bench.ask("GET", path).body) for _ in range(4)]
    assert [card["status"] for card in (job, *cards)] == ["QUEUED", "RUNNING", "RUNNING", "SUCCESS", "SUCCESS"]
    done = cards[-1]
    assert (done["total_requests"], done["succeeded_requests"], done["failed_requests"]) == (2, 1, 1)
    good, bad = (
        msgspec.json.decode(bench.ask("GET", f"/v1/files/{done[name]}/content").body.rstrip(b"\n"))
        for name in ("output_file", "error_file")
    )
    assert (good["custom_id"], good["response"]["status_code"]) == ("good", 200)
    assert good["response"]["body"]["usage"]["total_tokens"] > 0
    assert (bad["custom_id"], bad["response"]["status_code"]) == ("bad", 422)
    inline = msgspec.json.decode(bench.ask("GET", path + "?inline=true").body)["outputs"]
    assert [item["custom_id"] for item in inline] == ["good", "bad"]


def test_a_line_of_a_batch_may_ask_for_a_fault() -> None:
    bench = Bench()
    line = {"body": {**LINE["body"], "model": f"{TEXT}--sim-status-429"}}  # type: ignore[dict-item]
    job = ask("/v1/batch/jobs", {**JOB, "requests": [line]}, bench)
    done = msgspec.json.decode(bench.ask("GET", f"/v1/batch/jobs/{job['id']}?inline=true").body)
    assert (done["status"], done["output_file"]) == ("FAILED", None)
    assert done["outputs"][0]["response"]["status_code"] == 429


def test_a_batch_can_be_cancelled_until_it_is_done() -> None:
    bench = Bench()
    path = f"/v1/batch/jobs/{ask('/v1/batch/jobs', JOB, bench, 'polls=9')['id']}"
    cancelled = msgspec.json.decode(bench.ask("POST", path + "/cancel").body)["status"]
    after = msgspec.json.decode(bench.ask("GET", path).body)["status"]
    assert (cancelled, after) == ("CANCELLATION_REQUESTED", "CANCELLED")
    done = ask("/v1/batch/jobs", JOB, bench)["id"]
    bench.ask("GET", f"/v1/batch/jobs/{done}")
    assert msgspec.json.decode(bench.ask("POST", f"/v1/batch/jobs/{done}/cancel").body)["status"] == "SUCCESS"


def test_lists_come_in_pages() -> None:
    bench = Bench()
    names = [ask("/v1/agents", {"model": TEXT, "name": f"agent {number}"}, bench)["id"] for number in range(3)]
    ids = [bench.names["agent"], *names]
    pages = [msgspec.json.decode(bench.ask("GET", f"/v1/agents?page={page}&page_size=3").body) for page in range(3)]
    assert [[agent["id"] for agent in page] for page in pages] == [ids[:3], ids[3:], []]
    first = msgspec.json.decode(bench.ask("GET", "/v1/agents/pages?page_size=3").body)
    second = msgspec.json.decode(bench.ask("GET", f"/v1/agents/pages?page_token={first['next_page_token']}").body)
    assert [agent["id"] for page in (first, second) for agent in page["data"]] == ids
    assert second["next_page_token"] is None
    assert bench.ask("GET", "/v1/files?page=-1").status == 422


def test_an_agent_is_called_by_version_and_alias() -> None:
    bench = Bench()
    path = bench.named(b"/v1/agents/{agent}").decode()
    bench.ask("PATCH", path, {"name": "second"})
    bench.ask("PUT", path + "/aliases?alias=live&version=1")
    for version, name in (("0", "a"), ("1", "second"), ("live", "second"), ("made", "a")):
        card = msgspec.json.decode(bench.ask("GET", f"{path}?agent_version={version}").body)
        assert card["name"] == name
    assert bench.ask("GET", f"{path}?agent_version=9").status == 404
    assert msgspec.json.decode(bench.ask("PATCH", path + "/version?version=0").body)["name"] == "a"
