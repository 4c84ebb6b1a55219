"""The route table: method and path to what a request means. Step 2 of a request's path.

Law: one literal table, exact before prefix, no redirects. `/api` in front is optional, repeated slashes count as one
and a trailing slash does not matter. Our own paths win over a provider's native catch-all.
"""

from enum import Enum, auto
from typing import NamedTuple

from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect, Operation


class Door(Enum):
    """Who answers."""

    CALL = auto()  # a provider
    POST_LOG = auto()  # the journal: a log of a call made elsewhere
    CONSOLE = auto()  # the console process
    HEALTH = auto()
    READY = auto()
    METRICS = auto()
    UNKNOWN = auto()


class Surface(NamedTuple):
    """What a path means. `dialects` are those the caller understands, the first being the one it is answered in."""

    door: Door
    dialects: tuple[Dialect, ...] = (Dialect.OPENAI_CHAT,)
    operation: Operation = Operation.OPAQUE
    path: str = "/"  # normalised, without `/api`

    @property
    def dialect(self) -> Dialect:
        return self.dialects[0]


_MISTRAL = (Dialect.MISTRAL,)
_OPENAI = (Dialect.OPENAI_CHAT,)
# Where both families of SDK post to the same path, the user agent tells them apart; a client that is neither is relayed
# to in whichever of the two the provider speaks, and our own errors come in OpenAI's shape.
_EITHER = (Dialect.OPENAI_CHAT, Dialect.MISTRAL)

_EXACT: dict[tuple[str, str], Surface] = {
    ("GET", "/healthz"): Surface(Door.HEALTH),
    ("GET", "/readyz"): Surface(Door.READY),
    ("GET", "/metrics"): Surface(Door.METRICS),
    ("POST", "/chat/completions"): Surface(Door.CALL, _OPENAI, Operation.CHAT),
    ("POST", "/embeddings"): Surface(Door.CALL, _OPENAI, Operation.EMBEDDINGS),
    ("GET", "/models"): Surface(Door.CALL, _EITHER, Operation.MODELS),
    ("POST", "/v1/chat/completions"): Surface(Door.CALL, _EITHER, Operation.CHAT),
    ("POST", "/v1/embeddings"): Surface(Door.CALL, _EITHER, Operation.EMBEDDINGS),
    ("GET", "/v1/models"): Surface(Door.CALL, _EITHER, Operation.MODELS),
    ("POST", "/v1/fim/completions"): Surface(Door.CALL, _MISTRAL, Operation.FIM),
    ("POST", "/request-logs"): Surface(Door.POST_LOG),
    ("POST", "/request-logs/create"): Surface(Door.POST_LOG),
}

_PREFIXES: tuple[tuple[str, Surface], ...] = (
    ("/request-logs/", Surface(Door.CONSOLE)),
    ("/health-check", Surface(Door.CONSOLE)),
    ("/openapi.json", Surface(Door.CONSOLE)),
    ("/ui", Surface(Door.CONSOLE)),
    ("/v2/traces", Surface(Door.CONSOLE)),
    ("/v1/traces/ingest", Surface(Door.CONSOLE)),
    ("/v1/", Surface(Door.CALL, _MISTRAL, Operation.OPAQUE)),
    ("/v2/", Surface(Door.CALL, _MISTRAL, Operation.OPAQUE)),
)


def match_surface(method: str, target: bytes, user_agent: bytes, *, stainless: bool, mistral_agent: bool) -> Surface:
    """Return the surface of a request. Raises InvalidRequest for a path that could mean two things.

    `stainless` and `mistral_agent` say that the request carries `x-stainless-*` or `x-mistral-user-agent` headers.
    """
    path = normalise_path(target)
    surface = _EXACT.get((method, path))
    if surface is None:
        surface = _EXACT.get(("GET", path)) if method == "HEAD" else None
    if surface is None:
        for prefix, candidate in _PREFIXES:
            if path.startswith(prefix) and (prefix[-1] == "/" or len(path) == len(prefix) or path[len(prefix)] == "/"):
                surface = candidate
                break
        else:
            surface = Surface(Door.UNKNOWN)
    dialects = surface.dialects
    if dialects is _EITHER or surface.door is Door.UNKNOWN:
        if mistral_agent or user_agent.startswith(b"mistral-client-"):
            dialects = _MISTRAL
        elif stainless or user_agent.startswith((b"OpenAI/", b"AsyncOpenAI/")):
            dialects = _OPENAI
    return Surface(surface.door, dialects, surface.operation, path)


def normalise_path(target: bytes) -> str:
    """Return a request target's path without `/api`, doubled or trailing slashes. Raises InvalidRequest.

    Dot segments are refused in any spelling: a provider's edge may resolve them where we did not.
    """
    path = target.partition(b"?")[0].decode("ascii", "replace")
    if not path.startswith("/"):
        raise InvalidRequest("the request target must be a path")
    while "//" in path:
        path = path.replace("//", "/")
    if "." in path or "%" in path or "\\" in path:
        _refuse_ambiguity(path)
    if path == "/api" or path.startswith("/api/"):
        path = path[4:]
    return path.rstrip("/") or "/"


def _refuse_ambiguity(path: str) -> None:
    lowered = path.lower()
    plain = lowered.replace("%2e", ".")
    for segment in plain.split("/"):
        if segment.partition(";")[0] in (".", ".."):
            raise InvalidRequest("the path may not contain dot segments")
    if any(sequence in lowered for sequence in ("%00", "%0a", "%0d", "%5c", "\\")):
        raise InvalidRequest("the path may not contain encoded control characters or backslashes")
    if "%2f.." in plain or "..%2f" in plain:
        raise InvalidRequest("the path may not contain dot segments")


def routes() -> list[tuple[str, str, Surface]]:
    """Return the table as (method, path, surface) rows, for documentation and tests."""
    exact = [(method, path, surface) for (method, path), surface in _EXACT.items()]
    return exact + [("*", prefix + ("**" if prefix.endswith("/") else "/**"), surface) for prefix, surface in _PREFIXES]
