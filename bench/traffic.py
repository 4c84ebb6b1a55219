"""What travels through a system under test: request bodies, answers, and how to tell a right answer from a wrong one.

The shape of an answer is asked for in the first message (`bench events=50 pace=5000 delay=0`), because that is the one
place every gateway forwards unchanged. Each stream event carries its number and the moment it was written, on the
machine's monotonic clock, so that the client sees what a gateway lost, reordered, merged or held back.
"""

import re

from msgspec import Struct

ANSWER = (
    b'{"id":"cmpl-6b1f0e2d9c8a4f57b3e1d0c9a8b7f6e5","object":"chat.completion","created":1763800000,'
    b'"model":"mistral-small-latest","choices":[{"index":0,"message":{"role":"assistant","tool_calls":null,'
    b'"content":"A gantry is a bridge-like frame over a road. Traffic passes under it at full speed while every '
    b'vehicle is identified, timed and charged, and nobody has to stop for it."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":63,"total_tokens":101,"completion_tokens":38}}'
)
ANSWER_MARK = b"nobody has to stop for it."
_SHAPE = re.compile(rb"bench events=(\d+) pace=(\d+) delay=(\d+)")
_STREAMED = re.compile(rb'"stream"\s*:\s*true')
_EVENT = re.compile(rb'"(?:content|text)"\s*:\s*"(\d{6}) (\d{16}) ')
_DONE = b"data: [DONE]"
_ENDS = (_DONE, b"event: message_stop")  # OpenAI's and Mistral's, Anthropic's
_CHUNK_HEAD = (
    b'{"id":"cmpl-6b1f0e2d9c8a4f57b3e1d0c9a8b7f6e5","object":"chat.completion.chunk","created":1763800000,'
    b'"model":"mistral-small-latest","choices":[{"index":0,"delta":{"content":"'
)
_LAST_CHUNK = (
    b'data: {"id":"cmpl-6b1f0e2d9c8a4f57b3e1d0c9a8b7f6e5","object":"chat.completion.chunk","created":1763800000,'
    b'"model":"mistral-small-latest","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":63,"total_tokens":101,"completion_tokens":38}}\n\n'
)


class Shape(Struct, frozen=True):
    """How the upstream shall answer. Times in microseconds; `pace` 0 is one event per turn of its loop."""

    events: int = 0  # 0 asks for a whole answer, not a stream
    pace: int = 0
    delay: int = 0


def chat_body(model: str, shape: Shape, size: int) -> bytes:
    """Return a chat completion request of about `size` bytes."""
    stream = b'"stream":true,' if shape.events else b""
    wish = b"bench events=%d pace=%d delay=%d" % (shape.events, shape.pace, shape.delay)
    head = (
        b'{"model":"%s",%s"temperature":0.3,"max_tokens":256,"messages":[{"role":"system","content":"%s"},'
        b'{"role":"user","content":"' % (model.encode(), stream, wish)
    )
    tail = b'"}]}'
    filler = b"In one sentence: what is a gantry over a road, and why does nobody stop? "
    room = max(size - len(head) - len(tail), 16)
    return head + (filler * (room // len(filler) + 1))[:room] + tail


def wanted_shape(body: bytes) -> Shape | None:
    """Return the shape a request body asks the upstream for, None for a whole answer at once."""
    found = _SHAPE.search(body)
    if found is None:
        return None
    events, pace, delay = (int(group) for group in found.groups())
    streamed = _STREAMED.search(body, 0, found.start()) or _STREAMED.search(body, found.end())
    return Shape(events if streamed else 0, pace, delay)


def stream_event(number: int, now: int) -> bytes:
    """Return event `number` of a stream, written at `now` (monotonic nanoseconds)."""
    return b'data: %s%06d %016d words"},"finish_reason":null}]}\n\n' % (_CHUNK_HEAD, number, now)


def stream_end() -> bytes:
    return _LAST_CHUNK + _DONE + b"\n\n"


class StreamReader:
    """Reads the events of one streamed answer and holds the delay of each; `fault` says what was wrong with them."""

    __slots__ = ("_done", "_rest", "delays", "fault")

    def __init__(self) -> None:
        self.delays: list[int] = []
        self.fault = ""
        self._rest = b""
        self._done = False

    def feed(self, data: bytes, now: int) -> None:
        data = self._rest + data
        whole = data.rfind(b"\n\n") + 2
        if whole == 1:
            self._rest = data
            return
        self._rest = data[whole:]
        for found in _EVENT.finditer(data, 0, whole):
            if int(found[1]) != len(self.delays):
                self.fault = self.fault or f"event {int(found[1])} came where {len(self.delays)} was due"
            self.delays.append(now - int(found[2]))
        if any(end in data[:whole] for end in _ENDS):
            self._done = True

    def finish(self, expected: int) -> str:
        """Return what was wrong with the stream now that it has ended, or an empty string."""
        if self.fault:
            return self.fault
        if len(self.delays) != expected:
            return f"{len(self.delays)} events of {expected}"
        return "" if self._done else "no end"
