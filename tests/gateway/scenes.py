"""Calls on every surface and tier, and the ways to bring one's own credential along with them."""

import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.gateway.internet import AZURE
from tests.gateway.uploads import FORM_TYPE, MISTRAL, OPENAI, file, form, part

_SAID = [{"role": "user", "content": "hi"}]
_CONTENTS = [{"role": "user", "parts": [{"text": "hi"}]}]
_NOTHING: Mapping[str, Any] = {}
_BODIES: Mapping[str, Mapping[str, Any]] = {
    "chat": {"messages": _SAID},
    "messages": {"messages": _SAID, "max_tokens": 5},
    "fim": {"prompt": "def f("},
    "embeddings": {"input": ["hi"]},
    "responses": {"input": "hi"},
    "gemini": {"contents": _CONTENTS},
    "opaque": {"name": "x"},
}
CARRIERS = ("body", "respan_params", "metadata", "header", "encoded header")


class Scene(NamedTuple):
    """One call. `provider` is the id of who is to be asked, `host` where that is, `prefix` how a caller names it."""

    kind: str
    path: str
    prefix: str
    provider: str
    host: str
    model: str
    agent: bytes = b""
    streams: bool = True
    fields: Mapping[str, str] = _NOTHING  # of a credential, beside its key

    @property
    def name(self) -> str:
        client = "mistral-" if self.agent is MISTRAL else ""
        return f"{client}{self.kind}-to-{self.prefix}"

    @property
    def deliveries(self) -> tuple[bool, ...]:
        """Whether it is streamed: each way it can be."""
        return (False, True) if self.streams else (False,)

    @property
    def named(self) -> str:
        """The model as the caller names it: with its provider."""
        return f"{self.prefix}/{self.model}" if self.model else self.prefix

    def request(
        self, params: Mapping[str, Any], carrier: str = "body", *, stream: bool = False
    ) -> tuple[str, bytes, list[bytes]]:
        """Return path, body and headers of the call, with our parameters in one of their places."""
        headers = [self.agent] if self.agent else []
        beside: dict[str, Any] = {}
        if carrier == "body":
            beside = dict(params)
        elif carrier == "respan_params":
            beside = {"respan_params": dict(params)}
        elif carrier == "metadata":
            beside = {"metadata": {"respan_params": dict(params)}}
        elif carrier == "header":
            headers.append(b"X-Data-Respan-Params: " + json.dumps(params).encode())
        else:
            headers.append(b"X-Data-Respan-Params: " + base64.b64encode(json.dumps(params).encode()))
        if self.kind == "form":
            fields = {"model": self.named, **{name: json.dumps(value) for name, value in beside.items()}}
            parts = [part(name, value.encode()) for name, value in fields.items()]
            return self.path, form(*parts, file(b"sound")), [*headers, FORM_TYPE]
        body: dict[str, Any] = {**_BODIES[self.kind], **beside}
        if self.kind == "gemini":
            verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
            return f"{self.path}/{self.named}:{verb}", json.dumps(body).encode(), headers
        if self.model:
            body["model"] = self.named
        if stream:
            body["stream"] = True
        return self.path, json.dumps(body).encode(), headers


_MISTRAL = ("mistral", "mistral", "api.mistral.ai")
_OPENAI = ("openai", "openai", "api.openai.com")
_ANTHROPIC = ("anthropic", "anthropic", "api.anthropic.com")
_GEMINI = ("gemini", "google_gemini_ai", "generativelanguage.googleapis.com")
_AZURE = ("azure", "azure_openai", AZURE)
_BEDROCK = ("bedrock", "bedrock", "bedrock-runtime.us-east-1.amazonaws.com")

SCENES = (
    # OpenAI's chat: relayed, adapted, translated.
    Scene("chat", "/api/chat/completions", *_OPENAI, "gpt-4o"),
    Scene("chat", "/api/chat/completions", *_AZURE, "gpt-4o", fields={"api_base": f"https://{AZURE}"}),
    Scene("chat", "/api/chat/completions", *_MISTRAL, "mistral-large-latest"),
    Scene("chat", "/api/chat/completions", *_ANTHROPIC, "claude-sonnet-4-5"),
    Scene("chat", "/api/chat/completions", *_GEMINI, "gemini-2.5-flash"),
    Scene("chat", "/api/chat/completions", *_BEDROCK, "us.meta.llama4-v1:0", streams=False),
    # Mistral's.
    Scene("chat", "/api/v1/chat/completions", *_MISTRAL, "mistral-large-latest", MISTRAL),
    Scene("chat", "/api/v1/chat/completions", *_OPENAI, "gpt-4o", MISTRAL),
    Scene("chat", "/api/v1/chat/completions", *_ANTHROPIC, "claude-sonnet-4-5", MISTRAL),
    Scene("fim", "/api/v1/fim/completions", *_MISTRAL, "codestral-latest", MISTRAL),
    Scene("embeddings", "/api/v1/embeddings", *_MISTRAL, "mistral-embed", MISTRAL, streams=False),
    Scene("form", "/api/v1/audio/transcriptions", *_MISTRAL, "voxtral-mini-latest", MISTRAL, streams=False),
    Scene("opaque", "/api/v1/workflows/x", *_MISTRAL, "", MISTRAL, streams=False),
    # OpenAI's other operations.
    Scene("embeddings", "/api/embeddings", *_OPENAI, "text-embedding-3-small", streams=False),
    Scene("embeddings", "/api/embeddings", *_MISTRAL, "mistral-embed", streams=False),
    Scene("embeddings", "/api/embeddings", *_GEMINI, "gemini-embedding-001", streams=False),
    Scene("responses", "/api/responses", *_OPENAI, "gpt-4o"),
    Scene("responses", "/api/responses", *_MISTRAL, "mistral-large-latest"),
    Scene("responses", "/api/responses", *_ANTHROPIC, "claude-sonnet-4-5"),
    Scene("form", "/api/audio/transcriptions", *_OPENAI, "whisper-1", OPENAI, streams=False),
    Scene("form", "/api/audio/transcriptions", *_MISTRAL, "voxtral-mini-latest", OPENAI, streams=False),
    # Anthropic's and Google's.
    Scene("messages", "/api/anthropic/v1/messages", *_ANTHROPIC, "claude-sonnet-4-5"),
    Scene("messages", "/api/anthropic/v1/messages", *_MISTRAL, "mistral-large-latest"),
    Scene("gemini", "/api/google/gemini/v1beta/models", *_GEMINI, "gemini-2.5-flash"),
    Scene("gemini", "/api/google/gemini/v1beta/models", *_MISTRAL, "mistral-large-latest"),
)
