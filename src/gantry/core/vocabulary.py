"""The closed sets of words that code, SQL, API and UI share (DESIGN §9). One word per concept."""

from enum import IntFlag, StrEnum


class Dialect(StrEnum):
    """A wire format. The codec of each lives in `gantry.dialects`."""

    MISTRAL = "mistral"
    OPENAI_CHAT = "openai_chat"
    OPENAI_RESPONSES = "openai_responses"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    BEDROCK = "bedrock"
    COHERE = "cohere"
    VOYAGE = "voyage"  # embeddings and ranking, nearly as OpenAI and Cohere have them


class Operation(StrEnum):
    """What a call asks for. OPAQUE is relayed without being understood."""

    CHAT = "chat"
    FIM = "fim"
    COMPLETIONS = "completions"  # a text goes on: what was there before chats
    AGENT_CHAT = "agent_chat"  # a completion by an agent that the provider stores
    RESPONSES = "responses"
    RESPONSE = "response"  # one that is kept: read, or deleted
    COUNT_TOKENS = "count_tokens"
    EMBEDDINGS = "embeddings"
    EMBEDDING = "embedding"  # one vector, where that is an operation of its own, as it is at Google
    RERANK = "rerank"
    IMAGES = "images"
    IMAGE_EDITS = "image_edits"
    IMAGE_VARIATIONS = "image_variations"
    MODERATION = "moderation"
    CHAT_MODERATION = "chat_moderation"
    CLASSIFICATION = "classification"
    CHAT_CLASSIFICATION = "chat_classification"
    OCR = "ocr"
    TRANSCRIPTION = "transcription"
    SPEECH = "speech"
    REALTIME = "realtime"  # a WebSocket: transcription or speech
    MODELS = "models"
    MODEL = "model"  # one card of the list
    CONVERSATIONS = "conversations"
    AGENTS = "agents"
    FILES = "files"
    BATCHES = "batches"
    LIBRARIES = "libraries"
    FINE_TUNING = "fine_tuning"
    VOICES = "voices"
    OPAQUE = "opaque"


# What lives with an account at the provider, and so with the organization's home credential (DESIGN §5).
STATEFUL_OPERATIONS = frozenset(
    (
        Operation.AGENT_CHAT,
        Operation.RESPONSE,
        Operation.CONVERSATIONS,
        Operation.AGENTS,
        Operation.FILES,
        Operation.BATCHES,
        Operation.LIBRARIES,
        Operation.FINE_TUNING,
        Operation.VOICES,
    )
)
EMBEDDING_OPERATIONS = frozenset((Operation.EMBEDDINGS, Operation.EMBEDDING))
# A conversation goes on by either, in whichever of a dialect's formats its provider has.
CONVERSING_OPERATIONS = frozenset((Operation.CHAT, Operation.RESPONSES))
# Relayed on the path they came by; the others' paths are the provider's row's.
NATIVE_OPERATIONS = (STATEFUL_OPERATIONS - {Operation.AGENT_CHAT}) | {Operation.REALTIME, Operation.OPAQUE}


class SurfaceFamily(StrEnum):
    """What a key may be kept to, beside single operations: the formats that callers speak, and a provider's account."""

    MISTRAL = "mistral"
    OPENAI = "openai"  # chat completions, responses, and what else is in OpenAI's format
    ANTHROPIC = "anthropic"
    GOOGLE = "google"
    COHERE = "cohere"
    NATIVE = "native"  # operations on the provider's account, and those that nobody understands, in any format


class Tier(StrEnum):
    """How far a call is changed on its way (DESIGN §3)."""

    RELAY = "relay"
    ADAPT = "adapt"
    TRANSLATE = "translate"


class Outcome(StrEnum):
    """How an admitted request ended. Exactly one of them is recorded for each (law 5)."""

    SUCCESS = "success"
    REFUSED = "refused"  # by us: scope, model list, limit, bad request
    UPSTREAM_ERROR = "upstream_error"  # the provider answered with an error status
    UPSTREAM_UNREACHABLE = "upstream_unreachable"  # no connection, or no answer on it
    UPSTREAM_BROKE = "upstream_broke"  # the answer stopped before its end
    TIMEOUT = "timeout"
    CLIENT_GONE = "client_gone"
    CANCELLED = "cancelled"  # of an attempt: another one was faster
    GATEWAY_ERROR = "gateway_error"
    GATEWAY_CRASHED = "gateway_crashed"  # written by the clerk for an open frame whose worker is gone
    LOGGED = "logged"  # not proxied: posted by the user


class LogMethod(StrEnum):
    """By which door a request log came in. Values are Respan's."""

    INFERENCE = "inference"
    LOGGING_API = "logging_api"


class Environment(StrEnum):
    PROD = "prod"
    TEST = "test"


class ContentPolicy(StrEnum):
    """What of a call's content may be kept. Applied before anything reaches the journal."""

    FULL = "full"
    REDACTED = "redacted"  # what was said, with personal data and keys masked
    METADATA = "metadata"  # usage, cost, timings; no request or response body
    NOTHING = "nothing"  # as METADATA, and no metadata or customer fields either


class Scope(IntFlag):
    """What an API key may do. The default is INFERENCE | OWN_LOGS (DESIGN §5)."""

    INFERENCE = 1
    OWN_LOGS = 2
    READ = 4
    NATIVE = 8
    INGEST = 16
    MANAGE = 32
    TEAM = 64  # who belongs to the organization, with which role, and what they did


DEFAULT_SCOPES = Scope.INFERENCE | Scope.OWN_LOGS
SCOPE_NAMES = {scope.name.lower(): scope for scope in Scope if scope.name}
