"""AWS Signature Version 4: how a request to Amazon proves who sends it, without sending the secret.

Law: pure. The moment is an argument, and the same arguments give the same header lines. What is signed is what is sent:
the caller sends `path` and `query` exactly as given here, and the path is encoded once more for the signature only, as
every service but S3 wants it (so `:` in a model's id is `%3A` on the wire and `%253A` in what is signed).
Spec: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from hmac import digest
from typing import Final
from urllib.parse import quote

from msgspec import Struct

from gantry.core.secret import Secret

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNRESERVED: Final = "-_.~"
EMPTY_HASH: Final = sha256(b"").hexdigest()


class AwsCredential(Struct, frozen=True):
    access_key: str
    secret_key: Secret
    session_token: Secret | None = None


class SigningScope(Struct, frozen=True):
    region: str
    service: str  # `bedrock` for bedrock-runtime hosts


class UnsignedRequest(Struct, frozen=True):
    """What is to be signed. `path` is encoded as it goes over the wire, `query` is decoded names and values.

    `headers` are those to be signed beside `host` and Amazon's own; names in any case.
    """

    method: str
    host: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Sequence[tuple[str, str]] = ()
    body_hash: str = EMPTY_HASH  # SHA-256 of the body, in hexadecimal


def encode_query(query: Sequence[tuple[str, str]]) -> str:
    """Return a query as it is signed and sent: encoded, then sorted."""
    pairs = sorted((quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED)) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in pairs)


def sign(request: UnsignedRequest, scope: SigningScope, credential: AwsCredential, now: float) -> list[tuple[str, str]]:
    """Return the headers that sign a request at `now` (seconds since the epoch), in the order to send them."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    own = [("x-amz-date", stamp)]
    if credential.session_token is not None:
        own.append(("x-amz-security-token", credential.session_token.reveal()))
    headers = _canonical_headers([("host", request.host), *own, *request.headers])
    names = ";".join(name for name, _ in headers)
    day = stamp[:8]
    place = f"{day}/{scope.region}/{scope.service}/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, place, sha256(_canonical(request, headers, names).encode()).hexdigest()))
    signature = digest(_key(credential.secret_key, day, scope), text.encode(), "sha256").hex()
    authorization = (
        f"{_ALGORITHM} Credential={credential.access_key}/{place}, SignedHeaders={names}, Signature={signature}"
    )
    return [*own, ("authorization", authorization)]


def _canonical(request: UnsignedRequest, headers: list[tuple[str, str]], names: str) -> str:
    lines = "".join(f"{name}:{value}\n" for name, value in headers)
    path = quote(_normalised(request.path), safe=f"/{_UNRESERVED}")
    return "\n".join((request.method, path, encode_query(request.query), lines, names, request.body_hash))


def _normalised(path: str) -> str:
    """Return a path without `.`, `..` and doubled slashes (RFC 3986 §5.2.4), as the service sees it."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    slash = "/" if segments and path.endswith("/") else ""
    return "/" + "/".join(segments) + slash


def _canonical_headers(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return headers sorted by name: values of one name joined in their order, spaces folded."""
    folded: dict[str, list[str]] = {}
    for name, value in headers:
        folded.setdefault(name.lower(), []).append(" ".join(value.split()))
    return [(name, ",".join(values)) for name, values in sorted(folded.items())]


def _key(secret: Secret, day: str, scope: SigningScope) -> bytes:
    key = f"AWS4{secret.reveal()}".encode()
    for step in (day, scope.region, scope.service, "aws4_request"):
        key = digest(key, step.encode(), "sha256")
    return key
