"""The opening of an answer: looked at before anything of it leaves, where the call could still go elsewhere.

Law: until content has come, nothing is committed. A status of failure, a stream that opens with an error, one that ends
or stalls before its first content, and a small answer without its end all count as an attempt that failed. What was
held back follows untouched once it is the caller's; from then on everything passes through. Only calls with somewhere
to go are looked at.
"""

from typing import Final, Protocol

import msgspec
from msgspec import Raw

from gantry.core.errors import GatewayError, UpstreamFault
from gantry.core.vocabulary import Outcome
from gantry.gateway.headers import IDENTITY, read_kind
from gantry.gateway.surfaces import Surface
from gantry.wire.head import ResponseHead
from gantry.wire.sse import EventTooLarge, SSEEvent, SSEParser

_FAILED: Final = 400
_MOST_HELD: Final = 64 * 1024
_SSE: Final = "text/event-stream"
_ERRORS: Final = (b"error", b"response.failed")
_PREAMBLES: Final = (b"message_start", b"ping", b"response.created", b"response.in_progress", b"response.queued")
_members_of: Final = msgspec.json.Decoder(dict[str, Raw]).decode


class Opened(Protocol):
    """The call whose answer this is."""

    def go_elsewhere(
        self, outcome: Outcome, error: str | None, answer: ResponseHead | None = None, body: bytes = b"", *, whole: bool
    ) -> bool: ...
    def on_head(self, head: ResponseHead) -> None: ...
    def on_data(self, data: bytes, last: bool) -> None: ...
    def on_failure(self, fault: UpstreamFault) -> None: ...
    def on_upload_full(self) -> None: ...
    def on_upload_drained(self) -> None: ...
    def refuse(self, error: GatewayError) -> None: ...


class Opening:
    """Receives one attempt's answer for its call."""

    __slots__ = ("_call", "_head", "_held", "_holds", "_left", "_parser", "_surface")

    def __init__(self, call: Opened, surface: Surface) -> None:
        self._call = call
        self._surface = surface
        self._head: ResponseHead | None = None
        self._held = b""
        self._holds = False  # the answer back
        self._parser: SSEParser | None = None  # of a stream
        self._left = False  # the call is elsewhere

    def on_head(self, head: ResponseHead) -> None:
        self._head = head
        kind = read_kind(head)
        failed = head.status >= _FAILED
        if not failed and kind.content_type.startswith(_SSE) and kind.encoding in IDENTITY:
            self._parser = SSEParser()
        self._holds = failed or self._parser is not None or (kind.is_json and not self._surface.streams_array)
        if not self._holds:
            self._call.on_head(head)

    def on_data(self, data: bytes, last: bool) -> None:
        if self._left:
            return
        if not self._holds:
            self._call.on_data(data, last)
            return
        self._held += data
        if self._parser is not None:
            is_open, problem, told = _look(self._parser, data, last=last)
            if problem is not None and self._leave(problem, told, whole=last):
                return
        else:
            is_open = last or len(self._held) > _MOST_HELD
            failed = self._head is not None and self._head.status >= _FAILED
            if is_open and failed and self._leave(None, self._held, whole=last):  # its words say whose fault it is
                return
        if is_open or last or len(self._held) > _MOST_HELD:
            self._commit(last=last)

    def on_failure(self, fault: UpstreamFault) -> None:
        if self._left:
            return
        if self._holds:
            if self._leave(fault.message, b"", whole=False):
                return
            self._commit(last=False)
        self._call.on_failure(fault)

    def on_upload_full(self) -> None:
        self._call.on_upload_full()

    def on_upload_drained(self) -> None:
        self._call.on_upload_drained()

    def refuse(self, error: GatewayError) -> None:
        self._call.refuse(error)

    def _leave(self, error: str | None, body: bytes, *, whole: bool) -> bool:
        self._left = self._call.go_elsewhere(Outcome.UPSTREAM_ERROR, error, self._head, body, whole=whole)
        return self._left

    def _commit(self, *, last: bool) -> None:
        head, held = self._head, self._held
        assert head is not None
        self._holds, self._held = False, b""
        self._call.on_head(head)
        if held or last:
            self._call.on_data(held, last)


def _look(parser: SSEParser, data: bytes, *, last: bool) -> tuple[bool, str | None, bytes]:
    """Look at more of a stream: whether it has come to what the caller must see, and the error if it is one.

    An error comes in words for the record, and as its event tells it.
    """
    try:
        events = parser.feed(data)
        if last:
            events += parser.close()
    except EventTooLarge:
        return True, None, b""
    for event in events:
        name = _name_of(event)
        if name in _ERRORS:
            data = bytes(event.data)
            return True, f"the stream opened with an error: {data.decode('utf-8', 'replace')}", data
        if name not in _PREAMBLES:
            return True, None, b""
    return last, "the stream ended before its content" if last else None, b""


def _name_of(event: SSEEvent) -> bytes:
    """Return what kind of event this is: by its name, its type, or that it is an error."""
    if event.event:
        return event.event
    try:
        members = _members_of(event.data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return b""
    if "choices" not in members and bytes(members.get("error", b"null")) != b"null":
        return b"error"
    if bytes(members.get("object", b"")) == b'"error"':  # as Mistral has it
        return b"error"
    return bytes(members.get("type", b"")).strip(b'"')
