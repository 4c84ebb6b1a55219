"""Answers that are ready: those the SDKs were once shown, with what became of them, and those the gateway makes."""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gantry.core.errors import GatewayError
from gantry.core.vocabulary import Dialect
from gantry.dialects.errors import encode_error, encode_stream_error
from gantry.dialects.models import Owner, encode_model, encode_models, read_cards
from gantry.wire.body import LAST_CHUNK, encode_chunk
from tests.gateway.conftest import Heard, Script, read_request
from tests.sdk.environments import ROOT, Client
from tests.sdk.roads import driver, quiet_environment

CHUNK = (
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    b'"delta":{"role":"assistant","content":"Hi"},"finish_reason":null}]}\n\n'
)
PING = b": ping\n\n"
DUMP_OF = {
    Client.MISTRAL_1: "py-1.12.4",
    Client.MISTRAL_2: "py-2.10.1",
    Client.MISTRAL_3: "py-3.7.0",
    Client.MISTRAL_TS_1: "ts-1.15.1",
    Client.MISTRAL_TS_2: "ts-2.7.0",
}
_CASE = re.compile(rb"x-case: ?([^\r]*)\r\n", re.IGNORECASE)


class Canned(NamedTuple):
    """An answer, and the operation whose answer it is. `error` is the class that a client was seen to raise."""

    name: str
    operation: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    error: str | None = None

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    def encode(self) -> bytes:
        """Return the answer as it goes over the wire."""
        lines = [f"HTTP/1.1 {self.status} Canned", *(f"{name}: {value}" for name, value in self.headers.items())]
        if self.is_stream:
            lines.append("transfer-encoding: chunked")
            body = (encode_chunk(self.body) if self.body else b"") + LAST_CHUNK
        else:
            lines.append(f"content-length: {len(self.body)}")
            body = self.body
        return "\r\n".join((*lines, "", "")).encode() + body


def shown_to(client: Client, shared: Path) -> list[Canned]:
    """Return the 184 answers that a client was shown."""
    path = shared / "reference" / "mistral-recordings" / f"{DUMP_OF[client]}-response-validation.json"
    return [shown(number, item) for number, item in enumerate(json.loads(path.read_bytes())["results"])]


def shown(number: int, item: Mapping[str, Any]) -> Canned:
    answer, outcome = item["response"], item["outcome"]
    body = answer["body"]
    raw = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    headers = {name.lower(): value for name, value in answer["headers"].items() if name.lower() != "content-length"}
    raised = re.match(r"EXC (\w+)", outcome)
    name = f"{number} {item['kind']} {item['case']}".strip()
    error = raised[1] if raised else None
    return Canned(
        name.encode("ascii", "replace").decode(), item["kind"], answer["status"], headers, raw.encode(), error
    )


def errors_of_ours(kind: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    """Yield every class of error that a caller can be told of."""
    yield kind
    for narrower in kind.__subclasses__():
        yield from errors_of_ours(narrower)


def made_by_us(dialect: Dialect) -> Iterator[Canned]:
    """Yield what the gateway says itself: each error, whole and inside a stream, and a stream kept alive."""
    events = {"content-type": "text/event-stream"}
    for kind in errors_of_ours():
        error = kind("what was wrong, where, what to do")
        whole = encode_error(dialect, error, "01a204ca8caa79ed99f8d5925940f88f")
        for operation in ("chat", "stream"):
            yield Canned(f"{operation} {kind.__name__}", operation, whole.status, dict(whole.headers), whole.body)
        broken = CHUNK + PING + encode_stream_error(dialect, error)
        yield Canned(f"broken {kind.__name__}", "stream", 200, events, broken)
    last = CHUNK.replace(b'"finish_reason":null', b'"finish_reason":"stop"')
    yield Canned("kept alive", "stream", 200, events, PING + CHUNK + PING + PING + last + b"data: [DONE]\n\n")


def lists_of_ours(shared: Path) -> Iterator[Canned]:
    """Yield the lists of models, and the cards, that the gateway makes of those the clients were shown."""
    owner = Owner("mistral", "Mistral AI")
    for answer in shown_to(Client.MISTRAL_3, shared):
        if answer.operation == "models":
            named = [("mistral/" + card.model, card) for card in read_cards(answer.body, owner)]
            listed = encode_models(named, respan=False)
            yield Canned(f"ours of {answer.name}", "models", 200, {"content-type": "application/json"}, listed)
            for name, card in named[:1]:
                whole = encode_model(name, card)
                yield Canned(f"card of {answer.name}", "model", 200, {"content-type": "application/json"}, whole)


def serving(answers: Iterable[Canned]) -> Script:
    """Return an upstream's script that gives the answer which the header x-case names."""
    ready = {answer.name: answer.encode() for answer in answers}

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        while True:
            before = len(heard.data)
            await read_request(reader, heard)
            named = _CASE.search(heard.data, before)
            assert named is not None, heard.data[before:]
            writer.write(ready[named[1].decode().strip()])
            await writer.drain()

    return script


async def what_becomes_of(client: Client, answers: Iterable[Canned], **environment: str) -> Mapping[str, Any]:
    """Drive a client through the answers, and return what it made of each by name."""
    wanted = json.dumps([[answer.name, answer.operation] for answer in answers])
    process = await asyncio.create_subprocess_exec(
        *driver(client),
        "canned",
        env=quiet_environment(CANNED=wanted, BAD_KEY="bad-key", **environment),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-3000:]
    line = json.loads(output)
    assert "result" in line, line
    found: Mapping[str, Any] = line["result"]
    return found
