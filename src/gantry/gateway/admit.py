"""Admission: who calls, and may they? Step 3 of a request's path.

Law: a stranger learns only that the key is not valid, and costs us a counter, never a row. Keys are looked up by HMAC
digest in the snapshot; a token that was found is held in memory until the next snapshot.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from gantry.core.api_key import has_key_form, key_digest
from gantry.core.errors import Forbidden, LoopFound, Overloaded, Unauthenticated
from gantry.core.vocabulary import NATIVE_OPERATIONS, STATEFUL_OPERATIONS, Dialect, Operation, Scope, SurfaceFamily
from gantry.gateway.headers import MOST_HOPS
from gantry.gateway.state import WorkerState
from gantry.gateway.surfaces import Surface
from gantry.routing.snapshot import KeyRecord
from gantry.wire.head import RequestHead

# Plain numbers: the operators of IntFlag cost a microsecond.
_INFERENCE, _NATIVE = int(Scope.INFERENCE), int(Scope.NATIVE)
_OF_THE_ACCOUNT = STATEFUL_OPERATIONS | {Operation.OPAQUE}
_ABOUT_MODELS = frozenset((Operation.MODELS, Operation.MODEL))
_NATIVE_FAMILY = SurfaceFamily.NATIVE
_FAMILIES = {
    Dialect.MISTRAL: SurfaceFamily.MISTRAL,
    Dialect.OPENAI_CHAT: SurfaceFamily.OPENAI,
    Dialect.OPENAI_RESPONSES: SurfaceFamily.OPENAI,
    Dialect.ANTHROPIC: SurfaceFamily.ANTHROPIC,
    Dialect.GEMINI: SurfaceFamily.GOOGLE,
    Dialect.COHERE: SurfaceFamily.COHERE,
}
_WITHOUT_MODEL = NATIVE_OPERATIONS | {Operation.AGENT_CHAT, Operation.MODELS, Operation.MODEL}
_MISSING = "Authentication credentials were not provided. Send your Gantry API key as `Authorization: Bearer gk_…`."
_NO_CONFIGURATION = "the gateway has no configuration, or none that is recent enough; GET /readyz says which"
INVALID_KEY = "Your API key is invalid or expired. Check it, or create one with `gantry keys create NAME`."


def authenticate(state: WorkerState, head: RequestHead, now_ns: int) -> KeyRecord:
    """Return the key of a request. Raises Unauthenticated, or Overloaded when there is no snapshot to look it up in."""
    fields = head.fields
    shown = fields.get(b"authorization") or fields.get(b"x-api-key") or fields.get(b"x-goog-api-key")
    if shown is None:
        shown = fields.get(b"api-key") or key_in_query(head.target)
    if shown is None:
        raise Unauthenticated(_MISSING)
    key = state.held_key(shown)
    if key is None:
        if state.snapshot is None or state.stale:
            raise Overloaded(_NO_CONFIGURATION, retry_after=1)
        token = _read_token(shown)
        key = state.snapshot.keys.find(key_digest(token, state.pepper)) if has_key_form(token) else None
        if key is None:
            raise Unauthenticated(INVALID_KEY)
        state.hold_key(shown, key)
    if key.revoked or (key.expires_at is not None and key.expires_at <= now_ns):
        raise Unauthenticated(INVALID_KEY)
    return key


def key_in_query(target: bytes) -> bytes | None:
    """Return the key in a request's query, where Google's clients may put it; it goes no further."""
    query = target.partition(b"?")[2]
    return next((item[4:] for item in query.split(b"&") if item.startswith(b"key=")), None) if query else None


def check_rights(key: KeyRecord, operation: Operation) -> None:
    """Raise Forbidden unless the key may do such an operation at all."""
    if not key.scopes & _INFERENCE:
        raise Forbidden("this API key lacks the scope `inference`")
    if operation in _OF_THE_ACCOUNT and (key.models or key.has_budget) and not key.scopes & _NATIVE:
        raise Forbidden(
            "this API key is limited to some models or to a budget, which operations on the provider's account would "
            "escape; give it the scope `native` to allow them"
        )


def check_surface(key: KeyRecord, surface: Surface) -> None:
    """Raise Forbidden unless the list of surfaces of a key that has one names this one's operation or family.

    Which models there are may be asked anywhere.
    """
    operation = surface.operation
    if operation in _ABOUT_MODELS or not key.surfaces or operation.value in key.surfaces:
        return
    if operation in NATIVE_OPERATIONS:
        families = {_NATIVE_FAMILY}
    else:
        families = {_FAMILIES[dialect] for dialect in surface.dialects}
    if families.isdisjoint(key.surfaces):
        asked, allowed = " or ".join(sorted(families)), ", ".join(key.surfaces)
        raise Forbidden(f"this API key may not use {surface.path} ({operation}, {asked}); it may use: {allowed}")


def check_hops(hops: int) -> None:
    """Raise LoopFound for a request that has passed too many gateways: it can but be going round."""
    if hops > MOST_HOPS:
        raise LoopFound(
            f"this request has passed {hops} gateways, and this one perhaps more than once: the base URL of a provider "
            "leads back to where it is configured. See `gantry providers list`."
        )


def check_model(key: KeyRecord, names: Sequence[str]) -> None:
    """Raise Forbidden unless the model list of a key that has one allows a model under one of its names."""
    if key.models and names and not any(fnmatchcase(name, pattern) for pattern in key.models for name in names):
        allowed = ", ".join(key.models)
        raise Forbidden(f"this API key may not use the model {names[0]}; it may use: {allowed}", param="model")


def check_unnamed(key: KeyRecord, operation: Operation) -> None:
    """Raise Forbidden when a call names no model, which its provider would then choose, and the key is limited to some.

    Operations on the account are the scope's to allow, see `check_rights`.
    """
    if key.models and operation not in _WITHOUT_MODEL:
        raise Forbidden(f"this API key is limited to some models; name one of: {', '.join(key.models)}", param="model")


def _read_token(shown: bytes) -> str:
    """Return the token in an Authorization header's value, or in one that holds a token alone."""
    scheme, space, token = shown.partition(b" ")
    if not space:
        token = scheme
    elif scheme.lower() not in (b"bearer", b"api-key"):
        raise Unauthenticated(_MISSING)
    return token.strip().decode("latin-1")
