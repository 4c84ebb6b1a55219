"""What comes in and what goes out, before any framing: `Request` and `Answer`."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qsl, unquote

import msgspec
from msgspec import Struct
from msgspec.structs import replace

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

JSON = b"application/json"
EVENT_STREAM = b"text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"


class Request(Struct, frozen=True, gc=False):
    """One request as it was received. Header names are lower case."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def key(self) -> str:
        """The bearer key, or nothing."""
        scheme, _, key = (self.header(b"authorization") or b"").partition(b" ")
        return key.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""

    @property
    def path(self) -> str:
        """The path as sent, percent escapes included: `%2F` in a model's name is not a separator."""
        return self.target.split(b"?", 1)[0].decode("latin-1")

    @property
    def query(self) -> Mapping[str, str]:
        return dict(parse_qsl(self.target.partition(b"?")[2].decode("latin-1"), keep_blank_values=True))


class Farewell(Struct, frozen=True):
    """How a session is closed, in a WebSocket's words."""

    code: int = 1000
    reason: str = ""


class Reaction(Struct, frozen=True):
    """What a session says to what it heard, and whether that was all."""

    messages: tuple[bytes, ...] = ()
    farewell: Farewell | None = None


class Session(Protocol):
    """The far end of a WebSocket, without the wire."""

    def opened(self) -> Reaction: ...

    def heard(self, message: bytes) -> Reaction: ...

    def failed(self) -> Reaction:
        """Return what is said when a fault asks for an error inside."""


class Answer(Struct, frozen=True):
    """One answer. A stream has one part for each event; `weights` are the tokens in each part, for pacing.

    With a `session`, the answer to a client that asked for a WebSocket is that session instead. A `failure` is how an
    error reads inside this very stream, where that is not the provider's usual event.
    """

    status: int
    media: bytes
    parts: tuple[bytes, ...]
    headers: Headers = ()
    streamed: bool = False
    weights: tuple[int, ...] = ()
    session: Session | None = None
    failure: bytes = b""

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    def with_headers(self, headers: Headers) -> "Answer":
        return replace(self, headers=self.headers + headers)


def json_answer(value: Any, status: int = 200, headers: Headers = ()) -> Answer:
    return Answer(status, JSON, (msgspec.json.encode(value),), headers)


def empty_answer(status: int = 204) -> Answer:
    return Answer(status, JSON, (b"",))


def stream_answer(parts: Iterable[bytes], weights: Iterable[int] = (), media: bytes = EVENT_STREAM) -> Answer:
    return Answer(200, media, tuple(parts), (), True, tuple(weights))


def event(value: Any, name: str | None = None) -> bytes:
    """Return one server-sent event, with its blank line."""
    data = b"data: " + msgspec.json.encode(value) + b"\n\n"
    return data if name is None else b"event: " + name.encode() + b"\n" + data


def unescape(segment: str) -> str:
    return unquote(segment)
