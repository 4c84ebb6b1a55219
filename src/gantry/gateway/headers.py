"""Which headers cross the gateway, in each direction. One table; golden-tested.

Law: credentials, cookies, hop-by-hop fields and everything addressed to us stop here (RFC 9110 §7.6.1). What is not
named passes, so that a provider's new beta header works the day it appears.
"""

from collections.abc import Callable, Iterable, Mapping, Set
from operator import itemgetter
from typing import Final

from msgspec import Struct

from gantry.core.api_key import holds_key
from gantry.wire.head import Header, Likeness, RequestHead, ResponseHead

# What a client says to providers of its own format.
_OF_A_FORMAT: Final = (b"anthropic-", b"openai-", b"x-goog-", b"x-stainless-")
_OF_THE_BODY: Final = frozenset((b"content-type", b"content-encoding", b"accept"))
_STREAM_TYPES: Final = frozenset(("text/event-stream", "application/vnd.amazon.eventstream"))
HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade content-length expect".split()
)
_NOT_UPSTREAM: Final = HOP_BY_HOP | frozenset(
    b"host authorization x-api-key x-goog-api-key api-key cookie accept-encoding forwarded via x-real-ip".split()
)
_NOT_UPSTREAM_STARTS: Final = (b"x-respan-", b"x-gantry-", b"x-keywordsai-", b"x-data-", b"x-forwarded-")
_NOT_CLIENT: Final = HOP_BY_HOP | frozenset(
    b"set-cookie set-cookie2 alt-svc strict-transport-security date server x-content-type-options "
    b"content-security-policy access-control-allow-origin access-control-allow-credentials x-respan-log-id "
    b"x-gantry-log-id".split()
)
_OF_THE_BYTES: Final = frozenset(
    b"content-type content-encoding digest content-digest etag content-md5 accept-ranges".split()
)
_OWN: Final = b"x-respan-log-id: %b\r\nx-gantry-log-id: %b\r\nx-content-type-options: nosniff\r\n"
_NOTES: Final = (("relayed", "relayed stream"), ("rewritten", "rewritten stream"))
# Between gateways alone: how many of them a request has passed, so that one that leads back to itself comes to an end.
_HOPS: Final = b"x-gantry-hops"
MOST_HOPS: Final = 3
IDENTITY: Final = ("", "identity")  # content codings that are none
_USUAL_CONNECTION: Final = frozenset((None, b"keep-alive", b"close"))
# All Python majors of the Mistral SDK crash on it when the answer is a stream (httpx raises ResponseNotRead).
_NOT_CLIENT_STREAM: Final = _NOT_CLIENT | {b"x-model-deprecation-timestamp"}


def encode_upstream_headers(head: RequestHead) -> bytes:
    """Return the caller's headers that go upstream, as lines."""
    dropped = with_named(_NOT_UPSTREAM, head)
    return b"".join(
        [
            b"%b: %b\r\n" % header
            for header in head.headers
            if header[0] not in dropped and not header[0].startswith(_NOT_UPSTREAM_STARTS) and not _shows_key(header[1])
        ]
    )


def encode_translated_headers(head: RequestHead) -> bytes:
    """Return those of the caller's headers that mean the same to a provider of another format, as lines."""
    dropped = with_named(_NOT_UPSTREAM, head)
    starts = _NOT_UPSTREAM_STARTS + _OF_A_FORMAT
    return b"content-type: application/json\r\n" + b"".join(
        [
            b"%b: %b\r\n" % header
            for header in head.headers
            if header[0] not in dropped
            and header[0] not in _OF_THE_BODY
            and not header[0].startswith(starts)
            and not _shows_key(header[1])
        ]
    )


def hops_of(head: RequestHead) -> int:
    """Return how many gateways a request has passed."""
    value = head.fields.get(_HOPS, b"")
    return int(value) if value.isdigit() and len(value) <= 4 else 0


def encode_hops(hops: int) -> bytes:
    """Return the line that tells the next gateway of those before it."""
    return b"%b: %d\r\n" % (_HOPS, hops + 1)


def _shows_key(value: bytes) -> bool:
    """Say whether a header of any name carries a key of ours, for clients may send theirs in several places."""
    return b"gk_" in value and holds_key(value.decode("latin-1"))


def default_headers(wanted: Mapping[str, str], forwarded: bytes) -> bytes:
    """Return as lines those headers that are not among the lines forwarded already."""
    return b"".join(
        [
            f"{name}: {value}\r\n".encode("latin-1")
            for name, value in wanted.items()
            if f"\r\n{name}: ".encode("latin-1") not in b"\r\n" + forwarded
        ]
    )


class AnswerKind(Struct, frozen=True, gc=False):
    """What a response's head says of its body."""

    content_type: str
    encoding: str
    is_stream: bool
    is_json: bool


def read_kind(head: ResponseHead) -> AnswerKind:
    """Return what kind of body follows a head."""
    notes = head.likeness.notes if head.likeness is not None else {}
    kind: AnswerKind | None = notes.get("kind")
    if kind is None:
        content_type = head.fields.get(b"content-type", b"").decode("latin-1")
        encoding = head.fields.get(b"content-encoding", b"").decode("latin-1")
        media_type = content_type.partition(";")[0].strip().lower()
        kind = AnswerKind(content_type, encoding, media_type in _STREAM_TYPES, media_type == "application/json")
        notes["kind"] = kind
    return kind


def request_id_in(head: ResponseHead, names: tuple[bytes, ...]) -> str | None:
    """Return the id that the provider gave the request, from the first of these headers that has one."""
    likeness = head.likeness
    if likeness is not None:
        place = likeness.notes.get(names)
        if place is None:
            place = likeness.notes[names] = _first_place(likeness, names)
        if place >= 0:
            return head.values[place].strip(b" \t").decode("latin-1")
    for name in names:
        value = head.get(name)
        if value is not None:
            return value.decode("latin-1")
    return None


def _first_place(likeness: Likeness, names: tuple[bytes, ...]) -> int:
    """Return where the first of these headers is among the values that vary; -1 where that has to be looked up."""
    place = likeness.place(names[0]) if names else None
    return -1 if place is None else place


def own_headers(log_id: str) -> bytes:
    """Return the lines that every answer of a call has."""
    name = log_id.encode()
    return _OWN % (name, name)


def encode_client_headers(head: ResponseHead, log_id: str, stream: bool, rewritten: bool) -> bytes:
    """Return the lines for the client: the upstream's headers, and our own.

    A `rewritten` body loses the headers that are about its bytes.
    """
    likeness = head.likeness
    name = log_id.encode()
    if likeness is None:
        return encode_headers(head.headers, _dropped(head, stream, rewritten)) + _OWN % (name, name)
    note = _NOTES[rewritten][stream]
    form: tuple[bytes, Callable[[tuple[bytes, ...]], tuple[bytes, ...]]] | None = likeness.notes.get(note)
    if form is None:
        form = likeness.notes[note] = _form_of(head, likeness, _dropped(head, stream, rewritten))
    template, choose = form
    return template % (*choose(head.values), name, name)


def _form_of(
    head: ResponseHead, likeness: Likeness, dropped: Set[bytes]
) -> tuple[bytes, Callable[[tuple[bytes, ...]], tuple[bytes, ...]]]:
    """Return the lines of a likeness with gaps for the values that vary, and what chooses those values."""
    lines: list[bytes] = []
    places: list[int] = []
    place = 0
    for name, value in head.headers:
        varies = place < len(likeness.varying) and likeness.varying[place] == name
        if name not in dropped:
            said = b":%b\r\n" if varies else b": %b\r\n" % value.replace(b"%", b"%%")
            lines.append(name.replace(b"%", b"%%") + said)
            if varies:
                places.append(place)
        place += varies
    template = b"".join([*lines, _OWN])
    if len(places) > 1:
        return template, itemgetter(*places)
    return template, lambda values: tuple(values[place] for place in places)


def _dropped(head: ResponseHead, stream: bool, rewritten: bool) -> Set[bytes]:
    dropped: Set[bytes] = _NOT_CLIENT_STREAM if stream else _NOT_CLIENT
    if rewritten:
        dropped = dropped | _OF_THE_BYTES
    return with_named(dropped, head)


def encode_headers(headers: Iterable[Header], dropped: Set[bytes]) -> bytes:
    """Return headers as lines, but for those that are dropped."""
    return b"".join([b"%b: %b\r\n" % header for header in headers if header[0] not in dropped])


def with_named(dropped: Set[bytes], head: RequestHead | ResponseHead) -> Set[bytes]:
    """Add the fields that Connection names, which are for this hop alone (RFC 9110 §7.6.1)."""
    connection = head.fields.get(b"connection")
    if connection in _USUAL_CONNECTION:
        return dropped
    assert connection is not None
    return dropped | {name.strip() for name in connection.lower().split(b",")}
