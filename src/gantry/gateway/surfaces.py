"""The route table: method and path to what a request means. Step 2 of a request's path.

Law: one literal table, exact before prefix, no redirects. `/api` in front is optional, repeated slashes count as one
and a trailing slash does not matter. Our own paths win over a provider's native catch-all.
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Final
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from gantry.core.api_key import holds_key
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect, Operation


class Door(Enum):
    """Who answers."""

    CALL = auto()  # a provider
    MODELS = auto()  # several providers, their lists merged
    RESPONSE = auto()  # the memory of turns, or else a provider
    POST_LOG = auto()  # the journal: a log of a call made elsewhere
    CONSOLE = auto()  # the console process
    HEALTH = auto()
    READY = auto()
    METRICS = auto()
    EXPLAIN = auto()  # what would happen to a request
    UNKNOWN = auto()


class Surface(Struct, frozen=True):
    """What a path means. `dialects` are those the caller understands, the first being the one it is answered in.

    `model`, `stream` and `query` are there where the path says them and not the body, as Google's do.
    """

    door: Door
    dialects: tuple[Dialect, ...] = (Dialect.OPENAI_CHAT,)
    operation: Operation = Operation.OPAQUE
    method: str = "POST"
    path: str = "/"  # normalised, without `/api`
    root: str = ""  # the part of the path in front of a provider's own paths
    model: str | None = None
    stream: bool = False
    query: str = ""

    @property
    def dialect(self) -> Dialect:
        return self.dialects[0]

    @property
    def streams_array(self) -> bool:
        """Whether what streams is an array of JSON, as Google's is unless it is asked for as events."""
        return self.stream and not self.query


_MISTRAL = (Dialect.MISTRAL,)
_OPENAI = (Dialect.OPENAI_CHAT,)
_RESPONSES = (Dialect.OPENAI_RESPONSES,)
_MISTRALS_RESPONSES = (Dialect.OPENAI_RESPONSES, Dialect.MISTRAL)
_ANTHROPIC = (Dialect.ANTHROPIC,)
_GEMINI = (Dialect.GEMINI,)
_COHERE = (Dialect.COHERE,)
# Where both families of SDK post to the same path, the user agent tells them apart; a client that is neither is relayed
# to in whichever of the two the provider speaks, and our own errors come in OpenAI's shape.
_EITHER = (Dialect.OPENAI_CHAT, Dialect.MISTRAL)

_EXACT: tuple[Surface, ...] = (
    Surface(Door.HEALTH, method="GET", path="/healthz"),
    Surface(Door.READY, method="GET", path="/readyz"),
    Surface(Door.METRICS, method="GET", path="/metrics"),
    # Vercel's Mistral factory posts here too, and says so.
    Surface(Door.CALL, _EITHER, Operation.CHAT, path="/chat/completions"),
    Surface(Door.CALL, _RESPONSES, Operation.RESPONSES, path="/responses"),
    Surface(Door.CALL, _OPENAI, Operation.EMBEDDINGS, path="/embeddings"),
    Surface(Door.CALL, _OPENAI, Operation.COMPLETIONS, path="/completions"),
    Surface(Door.CALL, _OPENAI, Operation.RERANK, path="/rerank"),
    Surface(Door.CALL, _OPENAI, Operation.IMAGES, path="/images/generations"),
    Surface(Door.CALL, _OPENAI, Operation.IMAGE_EDITS, path="/images/edits"),
    Surface(Door.CALL, _OPENAI, Operation.IMAGE_VARIATIONS, path="/images/variations"),
    Surface(Door.CALL, _OPENAI, Operation.MODERATION, path="/moderations"),
    Surface(Door.CALL, _OPENAI, Operation.TRANSCRIPTION, path="/audio/transcriptions"),
    Surface(Door.CALL, _OPENAI, Operation.TRANSCRIPTION, path="/audio/transcription"),
    Surface(Door.CALL, _OPENAI, Operation.SPEECH, path="/audio/speech"),
    Surface(Door.MODELS, _EITHER, Operation.MODELS, method="GET", path="/models"),
    Surface(Door.CONSOLE, method="GET", path="/models/public"),
    Surface(Door.CALL, _EITHER, Operation.CHAT, path="/v1/chat/completions"),
    Surface(Door.CALL, _RESPONSES, Operation.RESPONSES, path="/v1/responses"),
    Surface(Door.CALL, _ANTHROPIC, Operation.CHAT, path="/messages"),
    Surface(Door.CALL, _ANTHROPIC, Operation.CHAT, path="/v1/messages"),
    Surface(Door.CALL, _ANTHROPIC, Operation.CHAT, path="/anthropic/v1/messages"),
    Surface(Door.CALL, _ANTHROPIC, Operation.CHAT, path="/anthropic/messages"),
    Surface(Door.CALL, _ANTHROPIC, Operation.COUNT_TOKENS, path="/v1/messages/count_tokens"),
    Surface(Door.CALL, _ANTHROPIC, Operation.COUNT_TOKENS, path="/anthropic/v1/messages/count_tokens"),
    Surface(Door.CALL, _EITHER, Operation.EMBEDDINGS, path="/v1/embeddings"),
    Surface(Door.CALL, _OPENAI, Operation.COMPLETIONS, path="/v1/completions"),
    Surface(Door.CALL, _OPENAI, Operation.RERANK, path="/v1/rerank"),
    Surface(Door.CALL, _COHERE, Operation.RERANK, path="/v2/rerank"),
    Surface(Door.CALL, _OPENAI, Operation.IMAGES, path="/v1/images/generations"),
    Surface(Door.CALL, _OPENAI, Operation.IMAGE_EDITS, path="/v1/images/edits"),
    Surface(Door.CALL, _OPENAI, Operation.IMAGE_VARIATIONS, path="/v1/images/variations"),
    Surface(Door.CALL, _EITHER, Operation.MODERATION, path="/v1/moderations"),
    Surface(Door.CALL, _EITHER, Operation.TRANSCRIPTION, path="/v1/audio/transcriptions"),
    Surface(Door.CALL, _EITHER, Operation.SPEECH, path="/v1/audio/speech"),
    Surface(Door.MODELS, _EITHER, Operation.MODELS, method="GET", path="/v1/models"),
    Surface(Door.CALL, _MISTRAL, Operation.FIM, path="/v1/fim/completions"),
    Surface(Door.CALL, _MISTRAL, Operation.AGENT_CHAT, path="/v1/agents/completions"),
    Surface(Door.CALL, _MISTRAL, Operation.CHAT_MODERATION, path="/v1/chat/moderations"),
    Surface(Door.CALL, _MISTRAL, Operation.CLASSIFICATION, path="/v1/classifications"),
    Surface(Door.CALL, _MISTRAL, Operation.CHAT_CLASSIFICATION, path="/v1/chat/classifications"),
    Surface(Door.CALL, _MISTRAL, Operation.OCR, path="/v1/ocr"),
    Surface(Door.CALL, _MISTRAL, Operation.REALTIME, method="GET", path="/v1/audio/transcriptions/realtime"),
    Surface(Door.CALL, _MISTRAL, Operation.REALTIME, method="GET", path="/v1/audio/speech/realtime"),
    Surface(Door.EXPLAIN, path="/route/explain"),
    Surface(Door.EXPLAIN, path="/routing/simulate"),
    Surface(Door.POST_LOG, path="/request-logs"),
    Surface(Door.POST_LOG, path="/request-logs/create"),
)

# The first that fits: with a method of its own, or for every method.
_PREFIXES: tuple[tuple[str, str, Surface], ...] = (
    ("*", "/request-logs/", Surface(Door.CONSOLE)),
    ("*", "/health-check", Surface(Door.CONSOLE)),
    ("*", "/openapi.json", Surface(Door.CONSOLE)),
    ("*", "/ui", Surface(Door.CONSOLE)),
    ("*", "/v2/traces", Surface(Door.CONSOLE)),
    ("*", "/v1/traces/ingest", Surface(Door.CONSOLE)),
    ("*", "/v1/v1/", Surface(Door.UNKNOWN, _EITHER)),
    ("*", "/v1/messages/batches", Surface(Door.CALL, _ANTHROPIC, Operation.BATCHES)),
    ("*", "/anthropic/v1/messages/batches", Surface(Door.CALL, _ANTHROPIC, Operation.BATCHES, root="/anthropic")),
    ("*", "/anthropic/v1/files", Surface(Door.CALL, _ANTHROPIC, Operation.FILES, root="/anthropic")),
    ("*", "/anthropic/", Surface(Door.CALL, _ANTHROPIC, Operation.OPAQUE, root="/anthropic")),
    ("*", "/google/gemini/", Surface(Door.CALL, _GEMINI, Operation.OPAQUE, root="/google/gemini")),
    ("*", "/google/vertexai/", Surface(Door.CALL, _GEMINI, Operation.OPAQUE, root="/google/vertexai")),
    ("*", "/v1beta/", Surface(Door.CALL, _GEMINI, Operation.OPAQUE)),
    ("GET", "/responses/", Surface(Door.RESPONSE, _RESPONSES, Operation.RESPONSE)),
    ("DELETE", "/responses/", Surface(Door.RESPONSE, _RESPONSES, Operation.RESPONSE)),
    ("GET", "/v1/responses/", Surface(Door.RESPONSE, _RESPONSES, Operation.RESPONSE)),
    ("DELETE", "/v1/responses/", Surface(Door.RESPONSE, _RESPONSES, Operation.RESPONSE)),
    ("GET", "/models/", Surface(Door.MODELS, _EITHER, Operation.MODEL)),
    ("*", "/models", Surface(Door.CONSOLE)),
    ("*", "/providers", Surface(Door.CONSOLE)),
    ("*", "/credentials", Surface(Door.CONSOLE)),
    ("*", "/routing", Surface(Door.CONSOLE)),
    ("*", "/load-balance-groups", Surface(Door.CONSOLE)),
    ("*", "/limits", Surface(Door.CONSOLE)),
    ("*", "/books", Surface(Door.CONSOLE)),
    ("*", "/credit-transactions", Surface(Door.CONSOLE)),
    ("*", "/caches", Surface(Door.CONSOLE)),
    ("*", "/cache/", Surface(Door.CONSOLE)),
    ("*", "/health/deployments", Surface(Door.CONSOLE)),
    ("*", "/temporary-keys", Surface(Door.CONSOLE)),
    ("*", "/users", Surface(Door.CONSOLE)),
    ("*", "/dashboard", Surface(Door.CONSOLE)),
    ("*", "/platform-stats", Surface(Door.CONSOLE)),
    ("*", "/alerts", Surface(Door.CONSOLE)),
    ("*", "/alert-channels", Surface(Door.CONSOLE)),
    ("*", "/session", Surface(Door.CONSOLE)),
    ("*", "/people", Surface(Door.CONSOLE)),
    ("*", "/members", Surface(Door.CONSOLE)),
    ("*", "/invitations", Surface(Door.CONSOLE)),
    ("*", "/organizations", Surface(Door.CONSOLE)),
    ("*", "/audit-log", Surface(Door.CONSOLE)),
    ("*", "/api-keys", Surface(Door.CONSOLE)),
    ("*", "/saved-views", Surface(Door.CONSOLE)),
    ("*", "/log_threads", Surface(Door.CONSOLE)),
    ("*", "/threads", Surface(Door.CONSOLE)),
    ("*", "/traces", Surface(Door.CONSOLE)),
    ("*", "/retention", Surface(Door.CONSOLE)),
    ("*", "/erasures", Surface(Door.CONSOLE)),
    ("*", "/playground", Surface(Door.CONSOLE)),
    ("*", "/prices", Surface(Door.CONSOLE)),
    ("*", "/system", Surface(Door.CONSOLE)),
    ("GET", "/v1/models/", Surface(Door.MODELS, _EITHER, Operation.MODEL)),
    ("*", "/v1/models/", Surface(Door.CALL, _MISTRAL, Operation.FINE_TUNING)),
    ("*", "/v1/fine_tuning/", Surface(Door.CALL, _MISTRAL, Operation.FINE_TUNING)),
    ("*", "/v1/files", Surface(Door.CALL, _MISTRAL, Operation.FILES)),
    ("*", "/v1/batch/", Surface(Door.CALL, _MISTRAL, Operation.BATCHES)),
    ("*", "/v1/conversations", Surface(Door.CALL, _MISTRAL, Operation.CONVERSATIONS)),
    ("*", "/v1/agents", Surface(Door.CALL, _MISTRAL, Operation.AGENTS)),
    ("*", "/v1/libraries", Surface(Door.CALL, _MISTRAL, Operation.LIBRARIES)),
    ("*", "/v1/audio/voices", Surface(Door.CALL, _MISTRAL, Operation.VOICES)),
    ("*", "/v2/audio/voices", Surface(Door.CALL, _MISTRAL, Operation.VOICES)),
    ("*", "/v1/", Surface(Door.CALL, _MISTRAL, Operation.OPAQUE)),
    ("*", "/v2/", Surface(Door.CALL, _MISTRAL, Operation.OPAQUE)),
)


_VERBS: Final = {
    "generateContent": (Operation.CHAT, False),
    "streamGenerateContent": (Operation.CHAT, True),
    "countTokens": (Operation.COUNT_TOKENS, False),
    "embedContent": (Operation.EMBEDDING, False),
    "batchEmbedContents": (Operation.EMBEDDINGS, False),
}
_NAMED_MODEL: Final = re.compile(
    r"(?P<root>/google/gemini|/google/vertexai)?(?:/v1[a-z0-9]*)?"
    r"(?:/projects/[^/]+/locations/[^/]+)?(?:/publishers/(?P<publisher>[^/]+))?"
    # Vercel's Google factory leaves `models/` out before a name with a slash, as those with a provider's prefix are.
    # What was tuned has a place of its own at Google, and is called there.
    r"/(?:models/|(?!v1|projects/|publishers/|tunedModels/|endpoints/|google/(?:gemini|vertexai)/)(?=[^/:]+/))"
    rf"(?P<model>[^:]+(?::[^:/]+)*):(?P<verb>{'|'.join(_VERBS)})"
).fullmatch


class Family(Enum):
    """Which SDKs a client belongs to, by what it says of itself."""

    MISTRAL = auto()
    OPENAI = auto()
    UNKNOWN = auto()


_DIALECTS_OF: Final = {Family.MISTRAL: _MISTRAL, Family.OPENAI: _OPENAI, Family.UNKNOWN: _EITHER}
# Where only clients of OpenAI's format are expected, until one says that it is Mistral's.
_STYLED: Final = frozenset(("/chat/completions",))
_VERCELS_MISTRAL: Final = re.compile(rb"\bai-sdk[-/]mistral/").search  # with a hyphen since version 7


def family_of(fields: Mapping[bytes, bytes]) -> Family:
    """Return the family of a client from its request's headers."""
    agent = fields.get(b"user-agent", b"")
    if agent.startswith(b"mistral-client-") or b"x-mistral-user-agent" in fields or _VERCELS_MISTRAL(agent):
        return Family.MISTRAL
    if b"x-stainless-lang" in fields or agent.startswith((b"OpenAI/", b"AsyncOpenAI/")):
        return Family.OPENAI
    return Family.UNKNOWN


def _for_family(surface: Surface, family: Family) -> Surface:
    if surface.dialects is _RESPONSES and family is Family.MISTRAL:
        return replace(surface, dialects=_MISTRALS_RESPONSES)
    if surface.dialects is not _EITHER:
        return surface
    if family is Family.UNKNOWN and surface.path in _STYLED:
        return replace(surface, dialects=_OPENAI)
    return replace(surface, dialects=_DIALECTS_OF[family])


def _spellings(path: str) -> Iterator[bytes]:
    for spelling in (path, "/api" + path):
        yield spelling.encode()
        yield spelling.encode() + b"/"


# Every exact route in the spellings that clients use, so that the usual request is one look-up away from its surface.
_KNOWN: Final[Mapping[Family, Mapping[tuple[str, bytes], Surface]]] = {
    family: {
        (surface.method, spelling): _for_family(surface, family)
        for surface in _EXACT
        for spelling in _spellings(surface.path)
    }
    for family in Family
}


def match_named_model(method: str, path: str, query: bytes) -> Surface | None:
    """Return the surface of a path that names its model and what is asked of it, as Google's do; None for others.

    `/v1beta/models/NAME:generateContent`, with or without the version and our prefix for it; NAME may have slashes, and
    then stand without `models/`. On Vertex it stands behind its project, location and publisher; a publisher that is
    not Google's is the prefix.
    """
    found = _NAMED_MODEL(path) if method == "POST" else None
    if found is None:
        return None
    name, verb = unquote(found["model"]), found["verb"]
    publisher = found["publisher"]
    if publisher is not None and publisher != "google":
        name = f"{publisher}/{name}"
    operation, stream = _VERBS[verb]
    return Surface(
        Door.CALL,
        _GEMINI,
        operation,
        "POST",
        path,
        found["root"] or "",
        name,
        stream,
        without_key(query.decode("latin-1")),
    )


def without_key(query: str) -> str:
    """Return a query without the key in it, which is ours: `key` in any spelling, or one of our keys anywhere."""
    return "&".join(item for item in query.split("&") if item and not _shows_key(item))


def _shows_key(item: str) -> bool:
    plain = unquote(item)
    return plain.partition("=")[0].lower() == "key" or holds_key(plain)


def match_surface(method: str, target: bytes, family: Family) -> Surface:
    """Return the surface of a request. Raises InvalidRequest for a path that could mean two things."""
    known = _KNOWN[family]
    surface = known.get((method, target))
    if surface is not None:
        return surface
    path = normalise_path(target)
    named = match_named_model(method, path, target.partition(b"?")[2])
    if named is not None:
        return named
    read_method = "GET" if method == "HEAD" else method
    surface = known.get((read_method, path.encode("ascii", "replace")))
    if surface is not None:
        return surface
    for allowed, prefix, candidate in _PREFIXES:
        if allowed not in ("*", read_method):
            continue
        if path.startswith(prefix) and (prefix[-1] == "/" or len(path) == len(prefix) or path[len(prefix)] == "/"):
            return replace(_for_family(candidate, family), method=method, path=path)
    return Surface(Door.UNKNOWN, _DIALECTS_OF[family], method=method, path=path)


def normalise_path(target: bytes) -> str:
    """Return a request target's path without `/api`, doubled or trailing slashes. Raises InvalidRequest.

    Dot segments are refused in any spelling: a provider's edge may resolve them where we did not.
    """
    raw = target.partition(b"?")[0]
    if not raw.startswith(b"/"):
        raise InvalidRequest("the request target must be a path")
    if not raw.isascii():
        raise InvalidRequest("the path must be ASCII; send other characters percent-encoded")
    path = raw.decode("ascii")
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
    exact = [(surface.method, surface.path, surface) for surface in _EXACT]
    return exact + [
        (method, prefix + ("**" if prefix.endswith("/") else "/**"), surface) for method, prefix, surface in _PREFIXES
    ]
