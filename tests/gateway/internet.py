"""The providers' own hosts as a worker reaches them: by name, through a proxy, over TLS that a test's authority signs.

A caller's own credential goes to no private address, so what it reaches cannot be an upstream named by an address of
this machine. Whoever is asked for notes it, and everything is answered here, in the format of the path.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from tests.dial.certificates import Authority
from tests.gateway.conftest import STREAM_HEAD, Heard, json_answer
from tests.gateway.uploads import TRANSCRIPT, take_request

AZURE = "me.openai.azure.com"
HOSTS = (
    "api.mistral.ai",
    "api.openai.com",
    "api.anthropic.com",
    "generativelanguage.googleapis.com",
    "bedrock-runtime.us-east-1.amazonaws.com",
    AZURE,
)
_KEY = re.compile(rb"^(?:authorization: bearer |x-api-key: |x-goog-api-key: |api-key: )([^\r\n]+)", re.I | re.M)
_USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
_CHAT = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": _USAGE,
}
_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "output_tokens": 2},
}
_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hello", "annotations": []}],
        }
    ],
    "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
}
_GENERATED = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7},
    "modelVersion": "m",
}
_CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7},
    "metrics": {"latencyMs": 1},
}
_VECTOR = {"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}


class Arrival(NamedTuple):
    """One request as a provider's host got it."""

    head: bytes
    body: bytes

    @property
    def host(self) -> str:
        return next(line[6:].decode() for line in self.head.split(b"\r\n") if line.lower().startswith(b"host: "))

    @property
    def path(self) -> str:
        return self.head.split(b" ", 2)[1].decode()

    @property
    def keys(self) -> list[str]:
        """Every credential that came along."""
        return [key.decode() for key in _KEY.findall(self.head)]

    @property
    def streams(self) -> bool:
        if "streamGenerateContent" in self.path:
            return True
        return re.search(rb'"stream"\s*:\s*true', self.body) is not None


Answerer = Callable[[Arrival], bytes]


def answer(arrival: Arrival) -> bytes:
    """Return a good answer in the format that the path speaks."""
    path = arrival.path.partition("?")[0]
    if path.endswith(("/chat/completions", "/fim/completions")):
        if not arrival.streams:
            return _json(_CHAT)
        begun = {"index": 0, "delta": {"role": "assistant", "content": "hello"}, "finish_reason": None}
        ended = {"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return _stream({**chunk, "choices": [begun]}, {**chunk, "choices": [ended], "usage": _USAGE}, "[DONE]")
    if path.endswith("/responses"):
        if not arrival.streams:
            return _json(_RESPONSE)
        begun = {**_RESPONSE, "status": "in_progress", "output": []}
        return _stream(
            {"type": "response.created", "sequence_number": 0, "response": begun},
            {"type": "response.completed", "sequence_number": 1, "response": _RESPONSE},
        )
    if path.endswith("/messages"):
        if not arrival.streams:
            return _json(_MESSAGE)
        return _stream(
            {"type": "message_start", "message": {**_MESSAGE, "content": [], "stop_reason": None}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
        )
    if path.endswith("enerateContent"):
        return _stream(_GENERATED) if arrival.streams else _json(_GENERATED)
    if path.endswith("/converse"):
        return _json(_CONVERSED)
    if path.endswith("/embeddings"):
        return _json({"id": "1", "object": "list", "model": "m", "data": [_VECTOR], "usage": _USAGE})
    if path.endswith(":batchEmbedContents"):
        return _json({"embeddings": [{"values": [0.5, 1.0]}]})
    if path.endswith("/audio/transcriptions"):
        return json_answer(TRANSCRIPT)
    return _json({})


def refusal(arrival: Arrival) -> bytes:
    """Return what a provider says to a key that is none of its own."""
    host = arrival.host
    if host == "api.mistral.ai":
        body: Any = {"detail": "Invalid API Key"}
    elif host == "api.anthropic.com":
        body = {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}
    elif host == "generativelanguage.googleapis.com":
        body = {"error": {"code": 401, "message": "Request had invalid credentials.", "status": "UNAUTHENTICATED"}}
    elif "amazonaws" in host:
        body = {"message": "The security token included in the request is invalid."}
    else:
        told = {"message": "Incorrect API key provided: can***.", "type": "invalid_request_error"}
        body = {"error": {**told, "param": None, "code": "invalid_api_key"}}
    return json_answer(json.dumps(body).encode(), b"401 Unauthorized")


class Internet:
    """A proxy that leads every name to one server, which is certified for the hosts above."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.answer: Answerer = answer
        self.asked: list[str] = []  # hosts and ports that the proxy was to connect to
        self.arrivals: list[Arrival] = []
        self.proxy = ""
        self._far_port = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Internet"]:
        far = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.authority.serving(*HOSTS))
        near = await asyncio.start_server(self._tunnel, "127.0.0.1", 0)
        self._far_port = far.sockets[0].getsockname()[1]
        self.proxy = f"http://127.0.0.1:{near.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            near.close()
            far.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split(b" ", 2)[1].decode())
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._far_port)
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = Heard()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                taken = await take_request(reader, heard)
                arrival = Arrival(taken.head, taken.body)
                self.arrivals.append(arrival)
                writer.write(self.answer(arrival))
                await writer.drain()
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
    finally:
        writer.close()


def _json(body: Any) -> bytes:
    return json_answer(json.dumps(body).encode())


def _stream(*events: Any) -> bytes:
    out = b""
    for event in events:
        data = event if isinstance(event, str) else json.dumps(event)
        named = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
        text = f"{named}data: {data}\n\n".encode()
        out += b"%x\r\n%b\r\n" % (len(text), text)
    return STREAM_HEAD + out + b"0\r\n\r\n"
