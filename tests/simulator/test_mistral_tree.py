"""The rest of Mistral's tree: what is stored can be found, changed and deleted; what is foreign is refused."""

from typing import Any

import pytest

from gantry.simulator import Simulator
from tests.simulator.client import Reply, ask, chat, run

FORM = (
    b'--B\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\nContent-Type: text/x\r\n\r\n'
    b'{"custom_id":"1","body":{"messages":[{"role":"user","content":"hi"}]}}\n\r\n--B--\r\n'
)
MULTIPART = {"content-type": "multipart/form-data; boundary=B"}


def test_models_are_found_with_a_slash_or_its_escape() -> None:
    async def scene(simulator: Simulator) -> list[Reply]:
        paths = ("/v1/models/mistral-small-latest", "/v1/models/ft:open%2Fx", "/v1/models/ft:open/x", "/v1/models/nope")
        return [await ask(simulator, path) for path in paths]

    replies = run(scene)
    assert [reply.status for reply in replies] == [200, 200, 200, 404]
    assert [reply.json["id"] for reply in replies[1:3]] == ["ft:open/x"] * 2
    assert {"id", "object", "created", "owned_by", "type", "capabilities", "aliases"} <= set(replies[0].json)


def test_every_listed_model_can_be_retrieved() -> None:
    async def scene(simulator: Simulator) -> bool:
        listed = (await ask(simulator, "/v1/models")).json["data"]
        return all([(await ask(simulator, f"/v1/models/{card['id']}")).json == card for card in listed])

    assert run(scene)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("PUT", "/v1/models", 405), ("GET", "/", 404), ("GET", "/v1/files/", 404)],
)
def test_a_foreign_path_is_answered_as_a_framework_does(method: str, path: str, status: int) -> None:
    async def scene(simulator: Simulator) -> Reply:
        return await ask(simulator, path, method=method)

    reply = run(scene)
    assert (reply.status, set(reply.json)) == (status, {"detail"})


def test_a_stranger_is_turned_away_by_the_edge_and_a_wrong_key_by_the_api() -> None:
    async def scene(simulator: Simulator) -> list[Reply]:
        keys = ("", "bad-key", "any-key")
        return [await ask(simulator, "/mistral/v1/models", key=key) for key in keys]

    without, wrong, known = run(scene)
    assert [without.status, wrong.status, known.status] == [401, 401, 200]
    assert (without.json["message"], wrong.json["detail"]) == ("Unauthorized", "Invalid API Key")


def test_a_file_can_be_read_until_it_is_deleted() -> None:
    async def scene(simulator: Simulator) -> list[Any]:
        made = (await ask(simulator, "/v1/files", FORM, headers=MULTIPART)).json
        path = f"/v1/files/{made['id']}"
        content = await ask(simulator, path + "/content")
        deleted = (await ask(simulator, path, method="DELETE")).json
        return [made, content, deleted, (await ask(simulator, path)).status]

    made, content, deleted, status = run(scene)
    assert (made["filename"], made["purpose"], made["mimetype"], made["num_lines"]) == ("a.jsonl", "batch", "text/x", 1)
    assert content.headers["content-type"] == "application/octet-stream"
    assert len(content.body) == made["bytes"]
    assert (deleted["deleted"], status) == (True, 404)


def test_a_batch_is_done_when_it_is_looked_at_again() -> None:
    async def scene(simulator: Simulator) -> tuple[Any, Any, list[Any]]:
        given = (await ask(simulator, "/v1/files", FORM, headers=MULTIPART)).json
        body = {"input_files": [given["id"]], "endpoint": "/v1/chat/completions", "model": "mistral-small-latest"}
        job = (await ask(simulator, "/v1/batch/jobs", body)).json
        done = (await ask(simulator, f"/v1/batch/jobs/{job['id']}")).json
        output = await ask(simulator, f"/v1/files/{done['output_file']}/content")
        return job, done, [output.json]

    job, done, results = run(scene)
    assert (job["status"], done["status"], done["succeeded_requests"]) == ("QUEUED", "SUCCESS", 1)
    assert results[0]["response"]["body"]["object"] == "chat.completion"


def test_a_conversation_remembers_its_turns() -> None:
    async def scene(simulator: Simulator) -> tuple[Any, Reply, Any, int]:
        agent = (await ask(simulator, "/v1/agents", {"model": "mistral-small-latest", "name": "a"})).json
        first = (await ask(simulator, "/v1/conversations", {"agent_id": agent["id"], "inputs": "hello"})).json
        path = f"/v1/conversations/{first['conversation_id']}"
        second = await ask(simulator, path, {"inputs": "again", "stream": True})
        history = (await ask(simulator, path + "/history")).json
        entry = history["entries"][2]["id"]
        again = (await ask(simulator, path + "/restart", {"inputs": "else", "from_entry_id": entry})).json
        restarted = (await ask(simulator, f"/v1/conversations/{again['conversation_id']}/history")).json
        gone = await ask(simulator, path, method="DELETE")
        return history, second, restarted, gone.status

    history, second, restarted, gone = run(scene)
    assert [entry["type"] for entry in history["entries"]] == ["message.input", "message.output"] * 2
    assert [entry["content"] for entry in restarted["entries"] if entry["type"] == "message.input"] == ["hello", "else"]
    assert second.body.startswith(b"event: conversation.response.started\ndata: ")
    assert second.events[-1]["type"] == "conversation.response.done"
    assert gone == 204


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/agents/nope", None),
        ("/v1/conversations/nope", None),
        ("/v1/libraries/nope", None),
        ("/v1/batch/jobs/nope", None),
        ("/v1/fine_tuning/jobs/nope", None),
        ("/v1/audio/voices/nope", None),
        ("/v1/conversations", {"agent_id": "nope", "inputs": "x"}),
        ("/v1/libraries/nope/documents/nope", None),
    ],
)
def test_what_is_not_there_is_a_404(path: str, body: Any) -> None:
    async def scene(simulator: Simulator) -> int:
        return (await ask(simulator, path, body)).status

    assert run(scene) == 404


@pytest.mark.parametrize("path", ["/v1/agents", "/v1/conversations", "/v1/libraries", "/v1/batch/jobs", "/v1/files"])
def test_what_lacks_a_field_is_a_422(path: str) -> None:
    async def scene(simulator: Simulator) -> Reply:
        return await ask(simulator, path, {})

    reply = run(scene)
    assert (reply.status, reply.json["detail"][0]["type"]) == (422, "missing")


def test_a_new_library_is_a_201() -> None:
    async def scene(simulator: Simulator) -> list[int]:
        made = await ask(simulator, "/v1/libraries", {"name": "a"})
        path = f"/v1/libraries/{made.json['id']}"
        document = await ask(simulator, path + "/documents", FORM, headers=MULTIPART)
        listed = await ask(simulator, path)
        return [made.status, document.status, listed.json["nb_documents"]]

    assert run(scene) == [201, 201, 1]


@pytest.mark.parametrize("stream", ["true", "false"])
def test_a_transcription_takes_either_kind_of_form(stream: str) -> None:
    form = f"model=voxtral-mini-latest&file_url=https%3A%2F%2Fexample.com%2Fa.mp3&stream={stream}".encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}

    async def scene(simulator: Simulator) -> Reply:
        return await ask(simulator, "/v1/audio/transcriptions", form, headers=headers)

    reply = run(scene)
    whole = reply.events[-1] if stream == "true" else reply.json
    assert "https://example.com/a.mp3" in whole["text"]
    assert whole["usage"]["prompt_audio_seconds"] == 1
    assert "language" in whole


def test_faults_are_found_in_the_model_of_a_form() -> None:
    form = b'--B\r\nContent-Disposition: form-data; name="model"\r\n\r\nsim-status-503\r\n--B--\r\n'

    async def scene(simulator: Simulator) -> int:
        return (await ask(simulator, "/v1/audio/transcriptions", form, headers=MULTIPART)).status

    assert run(scene) == 503


def test_ocr_reads_the_pages_asked_for() -> None:
    body = {"model": "mistral-ocr-latest", "document": {"type": "document_url", "document_url": "u"}, "pages": "0-2,5"}

    async def scene(simulator: Simulator) -> Any:
        return (await ask(simulator, "/v1/ocr", body)).json

    answer = run(scene)
    assert [page["index"] for page in answer["pages"]] == [0, 1, 2, 5]
    assert answer["usage_info"]["pages_processed"] == 4


def test_answers_carry_what_the_real_edge_sends() -> None:
    async def scene(simulator: Simulator) -> Reply:
        return await ask(simulator, "/v1/chat/completions", chat(stream=True), faults="deprecation")

    headers = run(scene).headers
    named = {"mistral-correlation-id", "x-kong-request-id", "x-ratelimit-remaining-req-minute", "set-cookie"}
    assert named | {"x-model-deprecation-timestamp"} <= set(headers)
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
