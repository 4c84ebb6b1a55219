"""Every operation of Mistral's API: what is asked, the status, and what the answer cannot do without."""

from typing import Any

import msgspec
import pytest

from gantry.simulator.exchange import Answer, Request
from gantry.simulator.mistral.account import Account
from gantry.simulator.world import World

KEY = (b"authorization", b"Bearer key")
QUESTION = [{"role": "user", "content": "hi"}]
TEXT, MODERATION, OCR = "mistral-small-latest", "mistral-moderation-latest", "mistral-ocr-latest"
LINK = {"type": "document_url", "document_url": "https://example.com/a.pdf"}
COMPLETION = {"id", "object", "created", "model", "choices", "usage"}
CONVERSATION = {"conversation_id", "outputs", "usage", "object"}
RESPONSE = {"id", "created_at", "model", "output", "parallel_tool_calls", "tool_choice", "tools", "usage"}
CARD = {"id", "object", "created", "owned_by", "type", "capabilities", "name", "max_context_length", "aliases"}
FILE = {"id", "object", "bytes", "created_at", "filename", "purpose", "sample_type", "source"}
JOB = {"id", "input_files", "endpoint", "errors", "status", "created_at", "total_requests", "completed_requests"}
AGENT = {"id", "model", "name", "version", "versions", "created_at", "updated_at", "deployment_chat", "source"}
LIBRARY = {"id", "name", "created_at", "updated_at", "owner_id", "owner_type", "total_size", "nb_documents"}
DOCUMENT = {"id", "library_id", "hash", "mime_type", "size", "name", "process_status", "tokens_processing_total"}
SHARE = {"library_id", "org_id", "role", "share_with_type", "share_with_uuid"}
TUNING = {"id", "auto_start", "model", "status", "created_at", "modified_at", "training_files", "hyperparameters"}
VOICE = {"id", "name", "created_at", "user_id", "type"}
ALIAS = {"alias", "version", "created_at", "updated_at"}
PROMPT = {"id", "name", "definition", "version", "latestVersion"}
UPLOAD = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{"body":{}}\n\r\n--B--\r\n'
FORM = {"model": "voxtral-mini-latest", "file_url": "https://example.com/a.mp3"}
SHARED = {"share_with_uuid": "u", "share_with_type": "User", "level": "Editor"}
PIPELINE = {"model": "open-mistral-nemo", "hyperparameters": {"training_steps": 1}, "auto_start": False}

# method, path, body, status, what the answer has. {x} is the id of the x made for the test.
OPERATIONS: tuple[tuple[str, str, Any, int, set[str]], ...] = (
    ("POST", "/v1/chat/completions", {"model": TEXT, "messages": QUESTION}, 200, COMPLETION),
    ("POST", "/v1/fim/completions", {"model": "codestral-latest", "prompt": "def f("}, 200, COMPLETION),
    ("POST", "/v1/agents/completions", {"agent_id": "{agent}", "messages": QUESTION}, 200, COMPLETION),
    (
        "POST",
        "/v1/embeddings",
        {"model": "mistral-embed", "input": "a"},
        200,
        {"id", "object", "model", "usage", "data"},
    ),
    ("GET", "/v1/models", None, 200, {"object", "data"}),
    ("GET", "/v1/models/mistral-small-latest", None, 200, CARD),
    ("GET", "/v1/models/ft:a/b", None, 200, CARD),
    ("GET", "/v1/models/ft:a%2Fb", None, 200, CARD),
    ("DELETE", "/v1/models/ft:a", None, 200, {"id", "object", "deleted"}),
    ("PATCH", "/v1/fine_tuning/models/ft:a", {"name": "b"}, 200, CARD),
    ("POST", "/v1/fine_tuning/models/ft:a/archive", None, 200, {"id", "object", "archived"}),
    ("DELETE", "/v1/fine_tuning/models/ft:a/archive", None, 200, {"id", "object", "archived"}),
    ("POST", "/v1/moderations", {"model": MODERATION, "input": ["a"]}, 200, {"id", "model", "results", "usage"}),
    ("POST", "/v1/chat/moderations", {"model": MODERATION, "input": QUESTION}, 200, {"id", "model", "results"}),
    ("POST", "/v1/chat/moderations", {"model": MODERATION, "input": [QUESTION] * 2}, 200, {"id", "model", "results"}),
    ("POST", "/v1/classifications", {"model": "ft:a", "input": "a"}, 200, {"id", "model", "results"}),
    ("POST", "/v1/chat/classifications", {"model": "ft:a", "input": {"messages": QUESTION}}, 200, {"id", "results"}),
    ("POST", "/v1/ocr", {"model": OCR, "document": LINK}, 200, {"pages", "model", "usage_info"}),
    (
        "POST",
        "/v1/ocr",
        {"model": OCR, "document": {"type": "file", "file_id": "{file}"}},
        200,
        {"pages", "usage_info"},
    ),
    ("POST", "/v1/audio/transcriptions", FORM, 200, {"model", "text", "language", "segments", "usage"}),
    ("POST", "/v1/audio/transcriptions", {"model": FORM["model"], "file_id": "{file}"}, 200, {"text", "usage"}),
    ("POST", "/v1/audio/speech", {"model": "voxtral-mini-tts-latest", "input": "a"}, 200, {"audio_data"}),
    ("GET", "/v1/audio/transcriptions/realtime?model=voxtral-mini-latest", None, 426, {"detail"}),
    ("GET", "/v1/audio/speech/realtime?model=voxtral-mini-tts-latest", None, 426, {"detail"}),
    ("GET", "/v1/audio/voices", None, 200, {"items", "total", "page", "page_size", "total_pages"}),
    ("GET", "/v2/audio/voices", None, 200, {"data", "next_page_token"}),
    ("POST", "/v1/audio/voices", {"name": "a"}, 200, VOICE),
    ("GET", "/v1/audio/voices/{voice}", None, 200, VOICE),
    ("PATCH", "/v1/audio/voices/{voice}", {"name": "b"}, 200, VOICE),
    ("DELETE", "/v1/audio/voices/{voice}", None, 200, VOICE),
    ("POST", "/v1/files", UPLOAD, 200, FILE),
    ("GET", "/v1/files", None, 200, {"data", "object", "total"}),
    ("GET", "/v1/files/{file}", None, 200, FILE),
    ("GET", "/v1/files/{file}/url?expiry=2", None, 200, {"url"}),
    ("DELETE", "/v1/files/{file}", None, 200, {"id", "object", "deleted"}),
    ("POST", "/v1/batch/jobs", {"endpoint": "/v1/embeddings", "input_files": ["{file}"]}, 200, JOB),
    ("GET", "/v1/batch/jobs", None, 200, {"data", "object", "total"}),
    ("GET", "/v1/batch/jobs/{batch}", None, 200, JOB),
    ("GET", "/v1/batch/jobs/{batch}?inline=true", None, 200, JOB | {"outputs"}),
    ("POST", "/v1/batch/jobs/{batch}/cancel", None, 200, JOB),
    ("DELETE", "/v1/batch/jobs/{batch}", None, 200, {"id", "object", "deleted"}),
    ("POST", "/v1/conversations", {"model": TEXT, "inputs": "a"}, 200, CONVERSATION),
    ("POST", "/v1/conversations/{conversation}", {"inputs": "a"}, 200, CONVERSATION),
    ("POST", "/v1/conversations/{conversation}", {}, 200, CONVERSATION),
    (
        "POST",
        "/v1/conversations/{conversation}/restart",
        {"from_entry_id": "{entry}", "inputs": "a"},
        200,
        CONVERSATION,
    ),
    ("GET", "/v1/conversations/{conversation}", None, 200, {"id", "object", "created_at", "updated_at", "model"}),
    ("GET", "/v1/conversations/{conversation}/history", None, 200, {"conversation_id", "object", "entries"}),
    ("GET", "/v1/conversations/{conversation}/messages", None, 200, {"conversation_id", "object", "messages"}),
    ("POST", "/v1/agents", {"model": TEXT, "name": "a"}, 200, AGENT),
    ("GET", "/v1/agents/pages", None, 200, {"object", "data", "next_page_token"}),
    ("GET", "/v1/agents/{agent}", None, 200, AGENT),
    ("GET", "/v1/agents/{agent}?agent_version=0", None, 200, AGENT),
    ("PATCH", "/v1/agents/{agent}", {"name": "b"}, 200, AGENT),
    ("PATCH", "/v1/agents/{agent}/version?version=0", None, 200, AGENT),
    ("GET", "/v1/agents/{agent}/versions/0", None, 200, AGENT),
    ("PUT", "/v1/agents/{agent}/aliases?alias=a&version=0", None, 200, ALIAS),
    ("POST", "/v1/libraries", {"name": "a"}, 201, LIBRARY),
    ("GET", "/v1/libraries", None, 200, {"data", "pagination"}),
    ("GET", "/v1/libraries/{library}", None, 200, LIBRARY),
    ("PUT", "/v1/libraries/{library}", {"name": "b"}, 200, LIBRARY),
    ("PATCH", "/v1/libraries/{library}", {"name": "b"}, 200, LIBRARY),
    ("DELETE", "/v1/libraries/{library}", None, 200, LIBRARY),
    ("PUT", "/v1/libraries/{library}/share", SHARED, 200, SHARE),
    ("GET", "/v1/libraries/{library}/share", None, 200, {"data"}),
    ("POST", "/v1/libraries/{library}/documents", UPLOAD, 201, DOCUMENT),
    ("GET", "/v1/libraries/{library}/documents", None, 200, {"data", "pagination"}),
    ("GET", "/v1/libraries/{library}/documents/{document}", None, 200, DOCUMENT),
    ("PUT", "/v1/libraries/{library}/documents/{document}", {"name": "b"}, 200, DOCUMENT),
    ("PATCH", "/v1/libraries/{library}/documents/{document}", {"name": "b"}, 200, DOCUMENT),
    ("GET", "/v1/libraries/{library}/documents/{document}/status", None, 200, {"document_id", "process_status"}),
    ("GET", "/v1/libraries/{library}/documents/{document}/text_content", None, 200, {"text"}),
    ("GET", "/v1/libraries/{library}/documents/{document}/signed-url", None, 200, set()),
    ("GET", "/v1/libraries/{library}/documents/{document}/extracted-text-signed-url", None, 200, set()),
    ("POST", "/v1/libraries/{library}/documents/{document}/reprocess", None, 204, set()),
    ("DELETE", "/v1/libraries/{library}/documents/{document}", None, 204, set()),
    ("POST", "/v1/fine_tuning/jobs", PIPELINE, 200, TUNING),
    ("POST", "/v1/fine_tuning/jobs?dry_run=true", PIPELINE, 200, {"object", "details"}),
    ("GET", "/v1/fine_tuning/jobs", None, 200, {"data", "object", "total"}),
    ("GET", "/v1/fine_tuning/jobs/{tuning}", None, 200, TUNING),
    ("POST", "/v1/fine_tuning/jobs/{tuning}/start", None, 200, TUNING),
    ("POST", "/v1/fine_tuning/jobs/{tuning}/cancel", None, 200, TUNING),
    ("POST", "/v1/responses", {"model": TEXT, "input": "a"}, 200, RESPONSE),
    ("POST", "/v1/responses/input_tokens", {"model": TEXT, "input": "a"}, 200, {"object", "input_tokens"}),
    *(
        operation
        for kind, definition in (("prompt", {"content": "y"}), ("skill", {"body": "y"}))
        for operation in (
            ("POST", f"/v2/{kind}s", {"name": "a", "definition": definition}, 200, PROMPT),
            ("GET", f"/v2/{kind}s", None, 200, {"data", "nextPageToken"}),
            ("GET", f"/v2/{kind}s/{{{kind}}}", None, 200, PROMPT),
            ("PATCH", f"/v2/{kind}s/{{{kind}}}", {"title": "b"}, 200, PROMPT),
            ("POST", f"/v2/{kind}s/{{{kind}}}/versions", {"definition": definition}, 200, {"version", "deduplicated"}),
            ("GET", f"/v2/{kind}s/{{{kind}}}/versions", None, 200, {"data"}),
            ("GET", f"/v2/{kind}s/{{{kind}}}/versions/1", None, 200, PROMPT),
            ("PATCH", f"/v2/{kind}s/{{{kind}}}/versions/1", {"notes": "n"}, 200, PROMPT),
            ("DELETE", f"/v2/{kind}s/{{{kind}}}", None, 200, set()),
        )
    ),
)
# Answers that are no JSON object.
OTHERS: tuple[tuple[str, str, int], ...] = (
    ("GET", "/v1/agents", 200),
    ("GET", "/v1/agents/{agent}/versions", 200),
    ("GET", "/v1/agents/{agent}/aliases", 200),
    ("DELETE", "/v1/agents/{agent}/aliases?alias=made", 204),
    ("DELETE", "/v1/agents/{agent}", 204),
    ("GET", "/v1/conversations", 200),
    ("DELETE", "/v1/conversations/{conversation}", 204),
    ("DELETE", "/v1/libraries/{library}/share", 200),
    ("GET", "/v1/files/{file}/content", 200),
    ("GET", "/v1/audio/voices/{voice}/sample", 200),
)
MAKERS: dict[str, tuple[str, Any]] = {
    "file": ("/v1/files", UPLOAD),
    "agent": ("/v1/agents", {"model": TEXT, "name": "a"}),
    "conversation": ("/v1/conversations", {"model": TEXT, "inputs": "a"}),
    "library": ("/v1/libraries", {"name": "a"}),
    "document": ("/v1/libraries/{library}/documents", UPLOAD),
    "voice": ("/v1/audio/voices", {"name": "a"}),
    "batch": ("/v1/batch/jobs", {"endpoint": "/v1/chat/completions", "requests": [{"body": {}}]}),
    "tuning": ("/v1/fine_tuning/jobs", PIPELINE),
    "prompt": ("/v2/prompts", {"name": "a", "definition": {"content": "x"}}),
    "skill": ("/v2/skills", {"name": "a", "definition": {"body": "x"}}),
}


class Bench:
    """A world with one of each resource, and their names."""

    def __init__(self) -> None:
        self.world = World()
        self.names: dict[str, str] = {}
        for name, (path, body) in MAKERS.items():
            made = msgspec.json.decode(self.ask("POST", path, body).body)
            self.names[name] = made.get("id") or made["conversation_id"]
            self.names |= {"entry": made["outputs"][0]["id"]} if "outputs" in made else {}
        self.ask("PUT", "/v1/agents/{agent}/aliases?alias=made&version=0")
        self.ask("PUT", "/v1/libraries/{library}/share", SHARED)

    def ask(self, method: str, path: str, body: Any = None, *more: tuple[bytes, bytes]) -> Answer:
        kind = b"multipart/form-data; boundary=B" if isinstance(body, bytes) else b"application/json"
        data = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        headers = (KEY, (b"content-type", kind), *more)
        return self.world.perform(Request(method.encode(), self.named(path.encode()), headers, self.named(data))).answer

    def named(self, text: bytes) -> bytes:
        for name, value in self.names.items():
            text = text.replace(b"{%s}" % name.encode(), value.encode())
        return text


@pytest.mark.parametrize(("method", "path", "body", "status", "keys"), OPERATIONS)
def test_an_operation_has_its_status_and_its_shape(
    method: str, path: str, body: Any, status: int, keys: set[str]
) -> None:
    answer = Bench().ask(method, path, body)
    assert answer.status == status, answer.body
    assert not keys or keys <= set(msgspec.json.decode(answer.body))


@pytest.mark.parametrize(("method", "path", "status"), OTHERS)
def test_an_operation_without_an_object_has_its_status(method: str, path: str, status: int) -> None:
    assert Bench().ask(method, path, SHARED if path.endswith("share") else None).status == status


def test_the_table_leaves_no_operation_out() -> None:
    listed = [*((method, path) for method, path, *_ in OPERATIONS), *((method, path) for method, path, _ in OTHERS)]
    asked = {(method, path.partition("?")[0]) for method, path in listed}
    routes, bench = Account("a").routes, Bench()
    found = [routes.find(method, bench.named(path.encode()).decode())[0] for method, path in asked]
    reached = {getattr(handler, "__qualname__", None) for handler in found}
    every = {getattr(handler, "__qualname__", None) for methods in routes.methods() for handler in methods.values()}
    assert every - reached == set()


@pytest.mark.parametrize(("method", "path", "body", "status", "keys"), OPERATIONS)
def test_a_fault_works_on_every_operation(method: str, path: str, body: Any, status: int, keys: set[str]) -> None:
    answer = Bench().ask(method, path, body, (b"x-simulate", b"status=503; retry-after=1"))
    assert (answer.status, dict(answer.headers)[b"retry-after"]) == (503, b"1")
