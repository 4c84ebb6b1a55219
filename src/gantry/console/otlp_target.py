"""Where spans are sent, as it may be shown: without what a URL may have of a password or a token."""

from urllib.parse import urlsplit

from msgspec import Struct

from gantry.core.secret import Secret
from gantry.dial.otlp_receiver import read_endpoint, read_headers


class OtlpTarget(Struct, frozen=True):
    """`problem` is why nothing can be sent there; `headers` are names alone."""

    endpoint: str
    content: bool
    headers: tuple[str, ...] = ()
    problem: str | None = None


def target_of(endpoint: str | None, headers: Secret | None, *, content: bool) -> OtlpTarget | None:
    """Return the target that settings name; None where they name none."""
    if endpoint is None:
        return None
    try:
        url = read_endpoint(endpoint)
        names = tuple(name for name, _ in read_headers(headers))
    except ValueError as error:
        return OtlpTarget(_shown(endpoint), content, problem=str(error))
    origin = url.origin
    return OtlpTarget(f"{origin.scheme}://{origin.authority}{url.target.partition('?')[0]}", content, names)


def _shown(endpoint: str) -> str:
    """Return what may be shown of a URL that cannot be used."""
    try:
        return urlsplit(endpoint).hostname or ""
    except ValueError:
        return ""
