"""Which headers cross the gateway, in each direction. One table; golden-tested.

Law: credentials, cookies, hop-by-hop fields and everything addressed to us stop here (RFC 9110 §7.6.1). What is not
named passes, so that a provider's new beta header works the day it appears.
"""

from collections.abc import Iterable
from typing import Final

from gantry.wire.http1 import Header

_HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade content-length expect".split()
)
_NOT_UPSTREAM: Final = _HOP_BY_HOP | frozenset(
    b"host authorization x-api-key x-goog-api-key api-key cookie accept-encoding forwarded via x-real-ip".split()
)
_NOT_UPSTREAM_STARTS: Final = (b"x-respan-", b"x-gantry-", b"x-keywordsai-", b"x-data-", b"x-forwarded-")
_NOT_CLIENT: Final = _HOP_BY_HOP | frozenset(
    b"set-cookie set-cookie2 alt-svc strict-transport-security date server x-content-type-options "
    b"content-security-policy access-control-allow-origin access-control-allow-credentials x-respan-log-id "
    b"x-gantry-log-id".split()
)
_OF_THE_BYTES: Final = frozenset(b"content-encoding digest content-digest etag content-md5 accept-ranges".split())
# All Python majors of the Mistral SDK crash on it when the answer is a stream (httpx raises ResponseNotRead).
_NOT_CLIENT_STREAM: Final = _NOT_CLIENT | {b"x-model-deprecation-timestamp"}


def encode_upstream_headers(headers: Iterable[Header]) -> bytes:
    """Return the caller's headers that go upstream, as lines."""
    return b"".join(
        [
            b"%b: %b\r\n" % header
            for header in headers
            if header[0] not in _NOT_UPSTREAM and not header[0].startswith(_NOT_UPSTREAM_STARTS)
        ]
    )


def encode_client_headers(headers: Iterable[Header], *, stream: bool, rewritten: bool) -> bytes:
    """Return the upstream's headers that go to the client, as lines. A `rewritten` body loses encoding and digests."""
    dropped = _NOT_CLIENT_STREAM if stream else _NOT_CLIENT
    if rewritten:
        dropped = dropped | _OF_THE_BYTES
    return b"".join([b"%b: %b\r\n" % header for header in headers if header[0] not in dropped])
