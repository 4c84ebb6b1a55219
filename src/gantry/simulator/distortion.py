"""Faults in the content of an answer: what is said, not when or in which frames (that is `delivery`)."""

from msgspec.structs import replace

from gantry.simulator import eventstream
from gantry.simulator.exchange import DONE, Answer, Headers
from gantry.simulator.faults import NO_FAULTS, Faults

_WEB_PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1>"
    b"</center>\r\n</body>\r\n</html>\r\n"
)
_COMMENT = b": keep-alive\n\n"
_LAST_EVENT = b"event: message_stop\n"


def distort(answer: Answer, faults: Faults, error_event: bytes) -> Answer:
    """Return the answer with the faults of its content. `error_event` is the provider's error inside a stream."""
    if faults is NO_FAULTS:
        return answer
    answer = answer.with_headers(_headers(faults, answer.streamed))
    if answer.streamed:
        answer = _distort_events(answer, faults, answer.failure or error_event)
    elif faults.malformed_json:
        answer = replace(answer, parts=(answer.body[: len(answer.body) * 2 // 3],))
    if faults.content_type:
        answer = replace(answer, media=faults.content_type.encode("latin-1", "replace"))
        if faults.content_type.startswith("text/html"):
            answer = replace(answer, parts=(_WEB_PAGE,), streamed=False)
    return answer


def turning_point(faults: Faults, parts: int) -> int:
    """Return the index of the part where the faults of the middle happen."""
    return min(faults.at, parts - 1) if faults.at >= 0 else parts // 2


def _headers(faults: Faults, streamed: bool) -> Headers:
    headers: list[tuple[bytes, bytes]] = []
    if faults.retry_after:
        headers.append((b"retry-after", faults.retry_after.encode("latin-1", "replace")))
    if faults.header_bytes:
        headers.append((b"x-simulated-padding", b"p" * faults.header_bytes))
    if faults.deprecation:
        headers.append((b"x-model-deprecation-timestamp", b"2026-12-31T00:00:00Z"))
    return tuple(headers)


def _distort_events(answer: Answer, faults: Faults, error_event: bytes) -> Answer:
    parts = list(answer.parts)
    weights = list(answer.weights)
    middle = turning_point(faults, len(parts))
    if faults.malformed_json:
        parts[middle] = _broken(parts[middle], answer.media)
    if faults.error_event:
        parts = [*parts[:middle], error_event]
    if faults.no_done and (parts[-1] == DONE or parts[-1].startswith(_LAST_EVENT)):
        parts.pop()
    textual = answer.media.startswith(b"text/")
    if faults.comments and textual:
        parts = [_COMMENT + part for part in parts]
    if faults.crlf and textual:
        parts = [part.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for part in parts]
    return replace(answer, parts=tuple(parts), weights=tuple(weights[: len(parts)]))


def _broken(part: bytes, media: bytes) -> bytes:
    """Break the JSON of an event, and leave its frame whole."""
    if media == eventstream.MEDIA:
        return eventstream.halved(part)
    return part.rstrip()[: len(part) // 2] + b"\n\n"
