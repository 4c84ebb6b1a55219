"""What the official clients were recorded sending is understood: each recorded request, against a fresh account."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gantry.simulator.exchange import Answer, Request
from gantry.simulator.mistral.agents import PRESET
from gantry.simulator.world import World

DUMPS = ("py-1.12.4", "py-2.10.1", "py-3.7.0", "ts-1.15.1", "ts-2.7.0")
KEY = (b"authorization", b"Bearer account--one")
KEY_TOO = (b"authorization", b"Bearer account--two")
JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"multipart/form-data; boundary=B")
UPLOAD = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{"body":{}}\n\r\n--B--\r\n'
MODELS = {
    "/v1/embeddings": "mistral-embed",
    "/v1/fim/completions": "codestral-latest",
    "/v1/ocr": "mistral-ocr-latest",
    "/v1/moderations": "mistral-moderation-latest",
    "/v1/chat/moderations": "mistral-moderation-latest",
    "/v1/audio/transcriptions": "voxtral-mini-latest",
    "/v1/audio/speech": "voxtral-mini-tts-latest",
}
MADE_UP_MODELS = {"m", "voxtral-tts-latest"}
REFUSED = {
    "chat.complete(prefixed model)": 400,
    "models.retrieve(prefixed)": 404,
    "models.retrieve(slash)": 404,
    "HTTPClient beforeRequest hook rewriting body": 422,
    "serverURL=<base>/v1": 404,
}


class Stage:
    """A world with one account that has one of each resource."""

    def __init__(self) -> None:
        self.world = World()
        file = self.made("/v1/files", UPLOAD, FORM)
        job = {"endpoint": "/v1/chat/completions", "input_files": [file["id"]]}
        conversation = self.made("/v1/conversations", {"model": "mistral-small-latest", "inputs": "hi"})
        library = self.made("/v1/libraries", {"name": "l"})
        self.names = {
            "00000000-0000-0000-0000-000000000001": file["id"],
            "00000000-0000-0000-0000-000000000002": library["id"],
            "conv_1": conversation["conversation_id"],
            "/files/f": "/files/" + file["id"],
            '"input_files":["f"]': f'"input_files":["{file["id"]}"]',
            '"agent_id":"a"': f'"agent_id":"{PRESET}"',
            "/j1": "/" + self.made("/v1/batch/jobs", job)["id"],
            '"from_entry_id":"e"': f'"from_entry_id":"{conversation["outputs"][0]["id"]}"',
        }

    def made(self, path: str, body: Any, kind: tuple[bytes, bytes] = JSON) -> Any:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return msgspec.json.decode(self.asked(Request(b"POST", path.encode(), (KEY, kind), data)).body)

    def asked(self, request: Request) -> Answer:
        return self.world.perform(request).answer

    def real(self, text: str) -> str:
        """Put names that exist here for those of the recorded server."""
        for recorded, name in self.names.items():
            text = text.replace(recorded, name)
        return text


def recorded(shared: Path, client: str) -> Iterator[tuple[str, dict[str, Any]]]:
    path = shared / "reference" / "mistral-recordings" / f"{client}-requests.json"
    for entry in msgspec.json.decode(path.read_bytes())["requests"]:
        sent = entry if "method" in entry else entry.get("first")
        if sent is not None:
            yield entry["call"], sent


def replayed(stage: Stage, sent: dict[str, Any]) -> Answer:
    target = stage.real(sent["raw_path"].removeprefix("/api"))
    body = sent.get("body_json")
    if body is None:
        data = stage.real(sent.get("body_raw") or "").replace(
            'name="model"\r\n\r\nm\r\n', 'name="model"\r\n\r\nsim-\r\n'
        )
    else:
        if body.get("model") in MADE_UP_MODELS:
            body = {**body, "model": MODELS.get(target, "mistral-small-latest")}
        data = stage.real(msgspec.json.encode(body).decode())
    headers = tuple((key.lower().encode(), value.encode()) for key, value in sent["headers"])
    ours = (KEY_TOO, *(header for header in headers if header[0] != b"authorization"))
    return stage.asked(Request(sent["method"].encode(), target.encode(), ours, data.encode()))


@pytest.mark.parametrize("client", DUMPS)
def test_every_recorded_request_is_answered_as_the_real_service_would(shared: Path, client: str) -> None:
    wrong, asked = [], 0
    for call, sent in recorded(shared, client):
        answer = replayed(Stage(), sent)
        asked += 1
        if (answer.status if call in REFUSED else answer.status // 100) != REFUSED.get(call, 2):
            wrong.append((call, answer.status, answer.body[:200]))
    assert wrong == []
    assert asked > 50
