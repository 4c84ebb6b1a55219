"""Faults on demand: one table, asked for by the header `x-simulate` or by the name of a model.

    x-simulate: status=429; retry-after=2
    model: sim-status-429--retry-after-2            a model of its own
    model: mistral-small-latest--sim-cut-mid-event  a known model, misbehaving

A model is named in the body, the query or the path, as the provider has it.

In a header, faults are `name=value` or a bare `name`, joined by `;`. In a model's name they follow `sim-`, with `-`
before the value and `--` between faults. Times are seconds, sizes are bytes. The fields of `Faults` are the table.
They work on every operation, also on those that take no model, by the header; in a WebSocket an event is a message.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from gantry.simulator.compression import Encoding
from gantry.simulator.exchange import Request, unescape


class Cut(StrEnum):
    """Where the connection is closed inside an answer."""

    BETWEEN_EVENTS = "between-events"
    MID_EVENT = "mid-event"
    BEFORE_END = "before-end"


class UsageShape(StrEnum):
    """The spellings of cached tokens seen in the wild, and none at all."""

    DETAILS = "details"
    NUM_CACHED = "num-cached"
    SINGULAR = "singular"
    PLAIN = "plain"
    NONE = "none"


class ToolCallShape(StrEnum):
    """How a Mistral stream spreads one tool call over its events."""

    FRAGMENTS = "fragments"
    NULL_IDS = "null-ids"
    WHOLE = "whole"


Seconds = Annotated[float, Meta(ge=0, le=3600)]
Size = Annotated[int, Meta(ge=0, le=64 * 1024 * 1024)]


def _means(text: str) -> Meta:
    return Meta(description=text)


class Faults(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What one request asked to go wrong. The description of each field is its documentation."""

    status: Annotated[int, Meta(ge=200, le=599), _means("answer this status with the provider's error body")] = 0
    code: Annotated[str, _means("with status: the provider's own code in the error body, as 3505")] = ""
    retry_after: Annotated[str, _means("add this Retry-After header")] = ""
    first_byte: Annotated[Seconds, _means("wait before the status line")] = 0.0
    first_token: Annotated[Seconds, _means("wait between the headers and the first event")] = 0.0
    tokens_per_second: Annotated[float, Meta(ge=0), _means("pace a stream; 0 is as fast as possible")] = 0.0
    tokens: Annotated[Size, _means("compose an answer of this many tokens")] = 0
    body_bytes: Annotated[Size, _means("compose an answer with at least this many bytes of text")] = 0
    at: Annotated[Size, _means("the event (from 0) where stall, cut, reset-mid, … happen; the middle by default")] = -1
    stall: Annotated[Seconds, _means("fall silent for this long in the middle, then go on")] = 0.0
    cut: Annotated[Cut | None, _means("close inside the answer: between-events, mid-event or before-end")] = None
    reset_mid: Annotated[bool, _means("reset the connection (RST) in the middle")] = False
    reset: Annotated[bool, _means("reset the connection instead of answering")] = False
    close: Annotated[bool, _means("close the connection instead of answering")] = False
    hang: Annotated[bool, _means("never answer")] = False
    malformed_chunk: Annotated[bool, _means("put a chunk size that is not a number in the middle")] = False
    malformed_json: Annotated[bool, _means("break the JSON of the body, or of the event in the middle")] = False
    content_type: Annotated[str, _means("send this content type; text/html also brings a web page")] = ""
    error_event: Annotated[bool, _means("end a 200 stream with the provider's error object as an event")] = False
    header_bytes: Annotated[Size, _means("add a header with this many bytes")] = 0
    write_bytes: Annotated[Size, _means("write this many bytes at a time")] = 0
    write_delay: Annotated[Seconds, _means("wait between writes")] = 0.0
    no_usage: Annotated[bool, _means("leave out usage")] = False
    no_done: Annotated[bool, _means("leave out the end mark of a stream: data: [DONE], message_stop")] = False
    finish: Annotated[str, _means("end with this finish reason: length, error, content_filter, …")] = ""
    informational: Annotated[int, Meta(ge=100, le=199), _means("send this 1xx answer first, as 103")] = 0
    close_delimited: Annotated[bool, _means("send no length; the end of the connection ends the body")] = False
    chunked: Annotated[bool, _means("send a body that is no stream in chunks too")] = False
    trailers: Annotated[bool, _means("end a chunked body with trailers")] = False
    chunk_extensions: Annotated[bool, _means("add extensions to each chunk size")] = False
    ambiguous_framing: Annotated[bool, _means("send Content-Length and Transfer-Encoding together")] = False
    comments: Annotated[bool, _means("put comment lines between events")] = False
    crlf: Annotated[bool, _means("end the lines of events with CR LF")] = False
    deprecation: Annotated[bool, _means("add x-model-deprecation-timestamp")] = False
    refusal: Annotated[bool, _means("refuse to answer, in the field OpenAI has for it")] = False
    polls: Annotated[Size, _means("a batch job made by this request is done when looked at this many times")] = 1
    usage: Annotated[UsageShape, _means("spell cached tokens: details, num-cached, singular, plain, none")] = (
        UsageShape.DETAILS
    )
    tool_calls: Annotated[ToolCallShape, _means("stream tool calls as fragments, null-ids or whole")] = (
        ToolCallShape.FRAGMENTS
    )
    encoding: Annotated[Encoding | None, _means("use this encoding whatever the client accepts")] = None

    @property
    def silent(self) -> bool:
        """Whether nothing at all is answered."""
        return self.hang or self.close or self.reset


class FaultError(ValueError):
    """A fault that is not in the table; the message names it."""


NO_FAULTS = Faults()
MARK = "sim-"
_MARK = MARK.encode()
_MODEL = re.compile(
    rb'"model"\s*:\s*"([^"\\]*)"|name="model"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]*)\r\n|(?:^|&)model=([^&]*)'
)
_MODEL_IN_TARGET = re.compile(rb"[?&]model=([^&]*)|/models/([^/?]+):[A-Za-z]+(?:\?|$)|/(?:model|deployments)/([^/?]+)/")
_FIELDS = {field.encode_name: field for field in msgspec.structs.fields(Faults)}
_LONGEST_FIRST = sorted(_FIELDS, key=len, reverse=True)


def requested(request: Request) -> Faults:
    """Return the faults a request asks for, the header's first. Raises FaultError."""
    header = request.header(b"x-simulate")
    if header is not None:
        return parse_header(header.decode("latin-1"))
    for place, model in ((request.body, _MODEL), (request.target, _MODEL_IN_TARGET)):
        found = model.search(place) if _MARK in place else None
        if found is not None:
            name = next((group for group in found.groups() if group), b"")
            return parse_model(unescape(name.decode("utf-8", "replace")))
    return NO_FAULTS


def parse_header(text: str) -> Faults:
    """Return the faults in an `x-simulate` header. Raises FaultError."""
    pairs = {}
    for item in filter(None, (part.strip() for part in text.split(";"))):
        name, given, value = item.partition("=")
        pairs[name.strip().lower()] = value.strip() if given else "true"
    return _faults(pairs)


def parse_model(model: str) -> Faults:
    """Return the faults in a model's name. Raises FaultError."""
    _, marked, tail = model.partition("--" + MARK)
    if not marked:
        if not model.startswith(MARK):
            return NO_FAULTS
        tail = model.removeprefix(MARK)
    pairs = {}
    for item in filter(None, tail.split("--")):
        name = next((name for name in _LONGEST_FIRST if item == name or item.startswith(name + "-")), item)
        pairs[name] = item[len(name) + 1 :] or "true"
    return _faults(pairs)


def base_model(model: str) -> str:
    """Return a model's name without the faults asked for in it."""
    return model.partition("--" + MARK)[0]


def table() -> list[tuple[str, str, str]]:
    """Return (name, kind of value, meaning) of each fault, for people."""
    hints = get_type_hints(Faults, include_extras=True)
    return [(field.encode_name, _kind(hints[field.name]), _meaning(hints[field.name])) for field in _FIELDS.values()]


def _faults(pairs: dict[str, str]) -> Faults:
    for name in pairs:
        if name not in _FIELDS:
            raise FaultError(f"there is no fault called {name!r}; the faults are: {', '.join(_FIELDS)}")
    try:
        return msgspec.convert(pairs, Faults, strict=False)
    except msgspec.ValidationError as error:
        raise FaultError(f"a fault cannot be read: {error}") from error


def _kind(hint: Any) -> str:
    kind = hint.__origin__
    for choices in (kind, *get_args(kind)):
        if isinstance(choices, type) and issubclass(choices, StrEnum):
            return "|".join(choices)
    return {bool: "flag", int: "number", float: "number", str: "text"}[kind]


def _meaning(hint: Any) -> str:
    descriptions: Iterator[str] = (meta.description for meta in hint.__metadata__ if meta.description is not None)
    return next(descriptions)
