"""The demo's traffic: a few different calls, one every few seconds, from a thread that never gets in anybody's way."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping
from itertools import cycle
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

_READY_EVERY = 0.1
_PATIENCE = 30.0


class SampleCall(Struct, frozen=True):
    """One call, and what the person at the terminal is told about it."""

    what: str
    path: str
    body: Mapping[str, Any]


def _chat(model: str, question: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": question}], **more}


SAMPLES = (
    SampleCall("Mistral chat", "/api/v1/chat/completions", _chat("mistral-large-latest", "What is a gantry?")),
    SampleCall(
        "Mistral stream",
        "/api/v1/chat/completions",
        _chat("mistral-small-latest", "Name three bridges.", stream=True),
    ),
    SampleCall(
        "OpenAI style, for a customer",
        "/api/chat/completions",
        _chat("mistral/mistral-large-latest", "Say hello.", customer_identifier="user_123"),
    ),
    SampleCall(
        "Embeddings", "/api/v1/embeddings", {"model": "mistral-embed", "input": ["toll", "road", "gantry"]}
    ),
    SampleCall("OpenAI model", "/api/chat/completions", _chat("openai/gpt-5.5", "Say hello.")),
    SampleCall(
        "Claude, in OpenAI's format", "/api/chat/completions", _chat("anthropic/claude-sonnet-4-5", "Say hello.")
    ),
    SampleCall(
        "Mistral, in Anthropic's format",
        "/api/anthropic/v1/messages",
        _chat("mistral/mistral-large-latest", "Name a bridge.", max_tokens=200, stream=True),
    ),
    SampleCall("A model nobody has", "/api/chat/completions", _chat("mistral/no-such-model", "Anyone there?")),
)  # fmt: skip


class SampleTraffic:
    """Makes the calls in turn, once the gateway is ready, until the block ends."""

    def __init__(self, key: str, say: Callable[[str], None], pause: float) -> None:
        self._key = key
        self._say = say
        self._pause = pause
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "SampleTraffic":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def start(self, url: str) -> None:
        self._thread = threading.Thread(target=self._run, args=(urlsplit(url).netloc,), name="samples", daemon=True)
        self._thread.start()

    def _run(self, address: str) -> None:
        while self._status(address, "GET", "/readyz") != 200:
            if self._stop.wait(_READY_EVERY):
                return
        for sample in cycle(SAMPLES):
            began = time.monotonic()
            status = self._status(address, "POST", sample.path, sample.body)
            milliseconds = (time.monotonic() - began) * 1000
            if status is not None:
                self._say(f"{status}  {milliseconds:6.0f} ms  {sample.what}")
            if self._stop.wait(self._pause):
                return

    def _status(self, address: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> int | None:
        """Make one call to its end and return its status; None when there was no answer."""
        connection = http.client.HTTPConnection(address, timeout=_PATIENCE)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            response.read()
            return response.status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
