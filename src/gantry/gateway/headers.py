"""Which headers cross the gateway, in each direction. One table; golden-tested.

Law: credentials, cookies, hop-by-hop fields and everything addressed to us stop here (RFC 9110 §7.6.1). What is not
named passes, so that a provider's new beta header works the day it appears.
"""

from collections.abc import Iterable, Set
from typing import Final

from gantry.wire.http1 import Header, RequestHead, ResponseHead

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
            if header[0] not in dropped and not header[0].startswith(_NOT_UPSTREAM_STARTS)
        ]
    )


def encode_client_headers(head: ResponseHead, *, stream: bool, rewritten: bool) -> bytes:
    """Return the upstream's headers that go to the client, as lines. A `rewritten` body loses those about its bytes."""
    dropped: Set[bytes] = _NOT_CLIENT_STREAM if stream else _NOT_CLIENT
    if rewritten:
        dropped = dropped | _OF_THE_BYTES
    return encode_headers(head.headers, with_named(dropped, head))


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
