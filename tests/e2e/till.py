"""A provider of all formats that counts who reached it, and a crowd of callers who ask at once.

Each answer reports ten tokens written, and a request for vectors a hundred read. By the prices of `toml` that is a
cent, and a cent is what the gateway holds for each of these calls.
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

CENT_FOR_TEN = 1000.0  # dollars for a million tokens
CENT_FOR_HUNDRED = 100.0
WRITTEN, READ = 10, 100
_HEAD = "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n"


class Way(NamedTuple):
    """How one format is spoken: the provider, its model, the path here, and the body but for model and stream."""

    provider: str
    base: str
    path: str
    body: dict[str, Any]
    streams: bool = True

    def named(self, *, stream: bool) -> str:
        """The custom model of this way: each has a limit of its own."""
        return f"{self.base.replace('/', '-').replace('.', '-')}-{'stream' if stream else 'whole'}"

    def request(self, model: str, *, stream: bool) -> tuple[str, bytes]:
        body = dict(self.body)
        path = self.path
        if "{model}" in path:
            path = path.format(model=model, verb="streamGenerateContent?alt=sse" if stream else "generateContent")
        else:
            body["model"] = model
            if stream:
                body["stream"] = True
        return path, json.dumps(body).encode()


_SAID = [{"role": "user", "content": "hi"}]
_PARTS = [{"role": "user", "parts": [{"text": "hi"}]}]
_BOUND = {"max_tokens": WRITTEN}
WAYS = {
    "mistral": Way("mistral", "mistral/mistral-small-latest", "/v1/chat/completions", {"messages": _SAID, **_BOUND}),
    "openai": Way("openai", "openai/gpt-4o", "/api/chat/completions", {"messages": _SAID, **_BOUND}),
    "responses": Way("openai", "openai/gpt-5", "/api/responses", {"input": "hi", "max_output_tokens": WRITTEN}),
    "anthropic": Way(
        "anthropic", "anthropic/claude-sonnet-4-5", "/api/anthropic/v1/messages", {"messages": _SAID, **_BOUND}
    ),
    "gemini": Way(
        "google_gemini_ai",
        "gemini/gemini-2.5-flash",
        "/api/google/gemini/v1beta/models/{model}:{verb}",
        {"contents": _PARTS, "generationConfig": {"maxOutputTokens": WRITTEN}},
    ),
    "embeddings": Way("openai", "openai/text-embedding-3-small", "/api/embeddings", {"input": ""}, streams=False),
}


def toml(*ways: str, each: float = 1.0) -> str:
    """Return a configuration in which each way, streamed and not, has a budget of its own."""
    tables = []
    for name in ways or tuple(WAYS):
        way = WAYS[name]
        for stream in (False, True) if way.streams else (False,):
            model = way.named(stream=stream)
            cost = f"output_cost = {CENT_FOR_TEN}\ninput_cost = 0.0"
            if name == "embeddings":
                cost = f"input_cost = {CENT_FOR_HUNDRED}\noutput_cost = 0.0"
            tables.append(f'[[models]]\nname = "{model}"\nbase = "{way.base}"\n{cost}\n')
            tables.append(f'[[limits]]\nname = "budget of {model}"\nmodel = "{model}"\ncost = {each}\n')
    return "\n".join(tables)


def padded(path: str, body: bytes) -> tuple[str, bytes]:
    """Return a request for vectors that is as long as a hundred tokens."""
    return path, body.replace(b'"input": ""', b'"input": "%b"' % (b"x" * (4 * READ - len(body))))


class Till:
    """The provider, in a thread of its own, for the life of the block. `pause` is in seconds, before each answer."""

    def __init__(self, pause: float = 0.02) -> None:
        self._pause = pause
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._changed = threading.Condition()
        self.url = ""
        self.reached: Counter[str] = Counter()  # by path

    def __enter__(self) -> "Till":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def take(self) -> int:
        """Return how many came since it was asked last."""
        with self._changed:
            count = self.reached.total()
            self.reached.clear()
        return count

    def await_reached(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.reached.total() >= count, 60), self.reached

    def _run(self) -> None:
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
                body = json.loads(await reader.readexactly(length))
                path = head.split(b" ")[1].decode()
                with self._changed:
                    self.reached[path] += 1
                    self._changed.notify_all()
                await asyncio.sleep(self._pause)
                writer.write(answer(path, stream=body.get("stream") is True or "stream" in path))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def answer(path: str, *, stream: bool) -> bytes:
    """Return what a provider answers on one of its paths."""
    events, whole = _told(path)
    body = "".join(events).encode() if stream else json.dumps(whole).encode()
    kind = "text/event-stream" if stream else "application/json"
    return _HEAD.format(kind, len(body)).encode() + body


def _told(path: str) -> tuple[Sequence[str], dict[str, Any]]:
    whole: dict[str, Any]
    if "messages" in path:
        usage = {"input_tokens": 5, "output_tokens": WRITTEN}
        block = {"type": "text", "text": "hello"}
        whole = {"id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [block]}
        whole |= {"stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
        begun = {**whole, "content": [], "stop_reason": None, "usage": {"input_tokens": 5, "output_tokens": 1}}
        return [
            _named("message_start", message=begun),
            _named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            _named("content_block_delta", index=0, delta={"type": "text_delta", "text": "hello"}),
            _named("content_block_stop", index=0),
            _named("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=usage),
            _named("message_stop"),
        ], whole
    if "enerateContent" in path:
        content = {"role": "model", "parts": [{"text": "hello"}]}
        counts = {"promptTokenCount": 5, "candidatesTokenCount": WRITTEN, "totalTokenCount": 5 + WRITTEN}
        whole = {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": counts}
        return [f"data: {json.dumps(whole)}\n\n"], whole
    if "responses" in path:
        part = {"type": "output_text", "text": "hello", "annotations": []}
        item = {"type": "message", "id": "i", "role": "assistant", "status": "completed", "content": [part]}
        whole = {"id": "r", "object": "response", "status": "completed", "model": "gpt-5", "output": [item]}
        whole["usage"] = {"input_tokens": 5, "output_tokens": WRITTEN, "total_tokens": 5 + WRITTEN}
        return [
            _named("response.created", response={**whole, "status": "in_progress", "output": [], "usage": None}),
            _named("response.output_text.delta", item_id="i", output_index=0, content_index=0, delta="hello"),
            _named("response.completed", response=whole),
        ], whole
    if "embeddings" in path:
        vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
        usage = {"prompt_tokens": READ, "total_tokens": READ}
        return (), {"object": "list", "data": [vector], "model": "text-embedding-3-small", "usage": usage}
    return _chatted()


def _chatted() -> tuple[Sequence[str], dict[str, Any]]:
    usage = {"prompt_tokens": 5, "completion_tokens": WRITTEN, "total_tokens": 5 + WRITTEN}
    head: dict[str, Any] = {"id": "1", "created": 1, "model": "m", "usage": usage}
    message = {"role": "assistant", "content": "hello"}
    choice = {"index": 0, "finish_reason": "stop"}
    chunk = {**head, "object": "chat.completion.chunk", "choices": [{**choice, "delta": message}]}
    whole = {**head, "object": "chat.completion", "choices": [{**choice, "message": message}]}
    return [f"data: {json.dumps(chunk)}\n\n", "data: [DONE]\n\n"], whole


def _named(name: str, **members: Any) -> str:
    return f"event: {name}\ndata: {json.dumps({'type': name, **members})}\n\n"


async def _ask(port: int, request: bytes) -> int:
    """Ask on a connection of its own; return the status, 0 where there was no whole answer."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        told = await reader.read()
        writer.close()
    except ConnectionError:
        return 0
    return int(told.split(b" ", 2)[1]) if told.startswith(b"HTTP/1.1 ") else 0


async def _crowd(ports: Sequence[int], request: bytes, count: int) -> Counter[int]:
    asked = [_ask(ports[number % len(ports)], request) for number in range(count)]
    return Counter(await asyncio.wait_for(asyncio.gather(*asked), 120))


def crowd(ports: Sequence[int], key: str, path: str, body: bytes, count: int) -> Counter[int]:
    """Let so many callers ask at once, each on its own connection; return how often each status came."""
    head = f"POST {path} HTTP/1.1\r\nhost: gantry\r\nauthorization: Bearer {key}\r\nconnection: close\r\n"
    request = f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    return asyncio.run(_crowd(ports, request, count))
