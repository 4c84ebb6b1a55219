"""How a stream for a client of Gemini's is cut: as server-sent events, or as one JSON array that grows.

`streamGenerateContent` answers with events where the query says `alt=sse`, as all SDKs say it, and else with an array.
Spec: https://cloud.google.com/apis/docs/system-parameters (`alt`)
"""

from enum import Enum
from urllib.parse import parse_qs


class Framing(Enum):
    SSE = "text/event-stream"
    ARRAY = "application/json"

    @property
    def content_type(self) -> str:
        return self.value


def framing_of(query: str) -> Framing:
    """Return how a client wants a stream, by the query of its request."""
    alternatives = parse_qs(query).get("alt") or parse_qs(query).get("$alt") or [""]
    return Framing.SSE if alternatives[-1].partition(";")[0] == "sse" else Framing.ARRAY


class Frames:
    """Items in, the bytes of a stream out."""

    __slots__ = ("_as_events", "_sent")

    def __init__(self, framing: Framing) -> None:
        self._as_events = framing is Framing.SSE
        self._sent = False

    def item(self, encoded: bytes) -> bytes:
        if self._as_events:
            return b"data: %b\r\n\r\n" % encoded
        before = b",\r\n" if self._sent else b"["
        self._sent = True
        return b"%b%b\n" % (before, encoded)

    def end(self) -> bytes:
        if self._as_events:
            return b""
        return b"]" if self._sent else b"[]"
