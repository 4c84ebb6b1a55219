"""From a request that was read to the bytes that go upstream. Steps 4 to 6 of a request's path.

Law: the caller's bytes leave as they came, but for the fields that are ours or must change (law 1). Nothing here
writes or waits: a question is understood, a voyage is made of it, and `Call` sets out.
"""

import time
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec
from msgspec import Struct, structs

from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import CONVERSING_OPERATIONS, Dialect, Operation, Tier
from gantry.dial.pool import Pool
from gantry.dialects.adapt import Adaptation, adapt
from gantry.dialects.anthropic.unsigned import without_unsigned
from gantry.dialects.beyond_chat import Errand, translate_beyond_chat
from gantry.dialects.changes import Change, refuse_drops
from gantry.dialects.codec import Asking, Target
from gantry.dialects.gemini.named_model import name_model
from gantry.dialects.translate import decode_request, translate
from gantry.dialects.unknown_chunks import unwrap_unknown
from gantry.gateway.authority import authority_lines
from gantry.gateway.forms import FormUpload
from gantry.gateway.intake import Bearing, Intake
from gantry.gateway.native import Guard
from gantry.gateway.params import NO_PARAMETERS, Parameters, lift_from_form, lift_parameters
from gantry.gateway.pump import AnswerAdaptation
from gantry.gateway.remembered import Remembrance
from gantry.gateway.state import WorkerState
from gantry.gateway.surfaces import Surface
from gantry.gateway.terms import names_models
from gantry.routing.balance import draw_regardless
from gantry.routing.itinerary import Step
from gantry.routing.plan import Attempt, Route, Terms
from gantry.routing.snapshot import KeyRecord
from gantry.wire.body import encode_chunk
from gantry.wire.envelope import Envelope, peek
from gantry.wire.head import RequestHead

_NEED_MODEL: Final = frozenset(
    (
        Operation.CHAT,
        Operation.FIM,
        Operation.COMPLETIONS,
        Operation.EMBEDDINGS,
        Operation.RERANK,
        Operation.IMAGES,
        Operation.RESPONSES,
        Operation.COUNT_TOKENS,
    )
)
_LONGEST_MODEL: Final = 2048  # Amazon's names may have so many
_WRAPPED: Final = b'"is_unknown":true'  # as Mistral's own clients write it
_MISTRAL, _ANTHROPIC, _GEMINI = Dialect.MISTRAL, Dialect.ANTHROPIC, Dialect.GEMINI
_ADAPT, _TRANSLATE = Tier.ADAPT, Tier.TRANSLATE  # Python 3.11 reads an enum's member through a descriptor
_BODY_EXPECTED: Final = frozenset(("POST", "PUT", "PATCH"))
_CHUNKED: Final = b"transfer-encoding: chunked\r\n"


class Question(Struct, frozen=True, gc=False):
    """What a request asks, as far as we understand it. `envelope` is None where its body is not ours to read."""

    envelope: Envelope | None
    parameters: Parameters
    model: str | None
    stream: bool
    metadata: bytes
    renamed: bool = False  # it is another model than the body names


class Voyage(Struct, frozen=True, gc=False):
    """One attempt, ready to set out. `body` is what the record keeps, `request` what goes over the wire.

    A large body goes `beside` the head, for copying it behind the head would cost more than a second buffer.
    `adaptation` is there when the answer has to be adapted.
    """

    attempt: Attempt
    pool: Pool
    adaptation: AnswerAdaptation | None
    changes: Sequence[Change]
    body: bytes
    request: bytes
    beside: bytes = b""
    chunked: bool = False  # more of the body follows, in chunks
    guard: Guard | None = None
    step: Step | None = None  # of the itinerary, where there was anything to choose


_NO_CHANGES: Final[Sequence[Change]] = ()
LARGE_BODY: Final = 32 * 1024
OUTLINE_BYTES: Final = 2048  # of a body that we do not read: where a form names its fields and its file


class TakenIn(Protocol):
    """What a head says by itself, as far as reading its body needs it."""

    @property
    def surface(self) -> Surface: ...
    @property
    def native(self) -> bool: ...
    @property
    def has_parameters(self) -> bool: ...


class Payer(Protocol):
    """What holds the cost of an attempt."""

    def take(self, attempt: Attempt, host: str) -> None: ...


def understand(intake: TakenIn, head: RequestHead, body: bytes) -> Question:
    """Read a request. Raises InvalidRequest."""
    surface = intake.surface
    native = intake.native
    envelope = _read_native(body) if native else peek(body) if head.method == "POST" else None
    parameters = lift_parameters(envelope, head.fields if intake.has_parameters else {}, surface.operation)
    if envelope is None:
        return Question(None, parameters, None, False, parameters.replace.get("metadata", b""))
    model: str | None
    if surface.model is not None:
        model, stream = surface.model, surface.stream
    elif native:
        model, stream = envelope.text_or_none("model"), envelope.get("stream") == b"true"
    else:
        model, stream = envelope.text("model"), envelope.flag("stream")
        if model is None and surface.operation in _NEED_MODEL and not names_models(parameters):
            raise InvalidRequest("`model` is missing", param="model")
    if model is not None and len(model) > _LONGEST_MODEL:
        raise InvalidRequest(f"`model` is longer than the {_LONGEST_MODEL} characters of any name", param="model")
    if parameters is not NO_PARAMETERS and model is not None:
        named = parameters.model_named(model)
        if named != model and surface.model is None:
            replace = {**parameters.replace, "model": msgspec.json.encode(named)}
            parameters = structs.replace(parameters, replace=replace)
        model = named
    metadata = envelope.get("metadata") or b""
    if parameters is not NO_PARAMETERS:
        metadata = parameters.replace.get("metadata") or metadata
    return Question(envelope, parameters, model, stream, metadata)


def understand_form(intake: Intake, head: RequestHead, form: FormUpload) -> Question:
    """Read what came of a form. Raises InvalidRequest."""
    parameters = lift_from_form(form.fields(), head.fields if intake.has_parameters else {})
    model = form.text("model")
    if not model:
        raise InvalidRequest("`model` is missing", param="model")
    return Question(None, parameters, model, form.flag("stream"), parameters.replace.get("metadata", b""))


def asked_body(question: Question) -> bytes:
    """Return what the record of a call that we refuse keeps of its body: all but the fields that are ours."""
    envelope, parameters = question.envelope, question.parameters
    return b"" if envelope is None else envelope.splice(parameters.replace, parameters.remove)


def make_voyage(
    state: WorkerState,
    intake: Intake,
    key: KeyRecord,
    head: RequestHead,
    question: Question,
    body: bytes,
    bearing: Bearing | None = None,
    step: Step | None = None,
) -> Voyage:
    """Write the request to whom it is for, or to one who is chosen here. Raises GatewayError."""
    if bearing is None:
        bearing = take_bearing(state, intake, key, question)
    attempt = bearing.attempt
    adaptation: Adaptation | None = None
    changes = _NO_CHANGES
    envelope, parameters, model = question.envelope, question.parameters, question.model
    if envelope is not None:
        route = attempt.route
        replace = parameters.replace
        renamed = route.upstream_model != model or question.renamed
        if renamed and model is not None and intake.surface.model is None:
            replace = {**replace, "model": msgspec.json.encode(route.upstream_model)}
        if replace or parameters is not NO_PARAMETERS:
            body = envelope.splice(replace, parameters.remove)
        # From the end: Python 3.11 looks through a long text three times as fast as from its beginning.
        if intake.wraps_chunks and body.rfind(_WRAPPED) >= 0 and route.dialect is _MISTRAL:
            body = unwrap_unknown(body)
        surface = intake.surface
        if route.tier is _TRANSLATE:
            adaptation = _translate(state, key, route, surface, question, body)
            body, changes = adaptation.body, adaptation.changes
            if changes and is_strict(key, parameters):
                refuse_drops(changes)
        elif route.tier is _ADAPT:
            adapted = adapt(surface.operation, surface.dialects[0], route.dialect, body, route.rules)
            body, changes = adapted.body, adapted.changes
            if changes and is_strict(key, parameters):
                refuse_drops(changes)
            if surface.dialects[0] is not route.dialect:
                adaptation = adapted
        elif route.dialect is _GEMINI:
            if surface.operation is not Operation.CHAT and route.upstream_model is not None and renamed:
                body = name_model(body, route.upstream_model)
        elif route.dialect is _ANTHROPIC:
            body = without_unsigned(body)  # what others said in this conversation, for want of a better place
    guard = None
    if bearing.guarded:
        guard = _guard(state, intake, key, head, bearing)
        guard.check_request(body, intake.content_type)
    framing = b"content-length: %d\r\n" % len(body) if body or head.method in _BODY_EXPECTED else b""
    if bearing.target:
        framing += authority_lines(state.desk, attempt, bearing.target, bearing.pool.origin.authority, body)
    kept = body if envelope is not None else body[:OUTLINE_BYTES]  # a file's name, and not all of it
    beside = b""
    if len(body) > LARGE_BODY:
        body, beside = b"", body
    request = b"%b%b\r\n%b" % (bearing.beginning, framing, body)
    return Voyage(attempt, bearing.pool, adaptation, changes, kept, request, beside, False, guard, step)


def _translate(
    state: WorkerState, key: KeyRecord, route: Route, surface: Surface, question: Question, body: bytes
) -> Adaptation:
    """Return the translation of a request whose gateway fields are spliced out. Raises InvalidRequest."""
    now = time.time_ns()
    created, call_id = now // 1_000_000_000, state.new_log_id(now)
    if surface.operation not in CONVERSING_OPERATIONS:
        asked = Errand(surface.dialect, route.dialect, surface.operation, route.upstream_model or "", created, call_id)
        return translate_beyond_chat(body, asked)
    in_path = surface.model is not None
    stream = question.stream if in_path else None
    request = decode_request(surface.dialect, body, question.model, stream=stream)
    remembrance = Remembrance(state.turns, key, unlogged=question.parameters.unlogged)
    request = remembrance.restore(request, route.dialect)
    return translate(
        surface.dialect,
        route.dialect,
        request,
        Target(route.upstream_model or "", route.provider.max_tokens),
        asking=Asking(request, created, call_id, surface.query),
        rules=route.rules,
        on_answer=remembrance.remember if remembrance.wanted else None,
    )


def make_form_voyage(
    state: WorkerState,
    intake: Intake,
    key: KeyRecord,
    head: RequestHead,
    question: Question,
    form: FormUpload,
    payer: Payer | None = None,
) -> Voyage:
    """As `make_voyage`, for a form that is complete, or follows as it comes; paid for. Raises GatewayError, Awaited."""
    bearing = take_bearing(state, intake, key, question)
    surface = intake.surface
    strict = is_strict(key, question.parameters)
    proof = b""
    if bearing.target:  # before the form is routed, for that happens once
        authority = bearing.pool.origin.authority
        proof = authority_lines(state.desk, bearing.attempt, bearing.target, authority, None)
    if payer is not None:
        payer.take(bearing.attempt, bearing.pool.origin.host)
    part = form.route(surface.operation, surface.dialects[0], bearing.attempt.route, strict=strict)
    chunked = head.chunked or (form.edited and not form.complete)
    if form.complete:
        framing, chunked = b"content-length: %d\r\n" % len(part), False
    elif chunked:
        framing, part = _CHUNKED, encode_chunk(part) if part else b""
    else:
        framing = b"content-length: %d\r\n" % (head.content_length or 0)
    request = b"%b%b%b\r\n%b" % (bearing.beginning, proof, framing, part)
    guard = None
    if bearing.guarded:
        guard = _guard(state, intake, key, head, bearing)
        guard.check_form(form.values())
    return Voyage(
        bearing.attempt, bearing.pool, form.adaptation, form.changes, form.outline(), request, b"", chunked, guard
    )


def make_upload(state: WorkerState, intake: Intake, key: KeyRecord, head: RequestHead, question: Question) -> Voyage:
    """As `make_voyage`, for a body of which we understand nothing and that follows as it comes. Raises GatewayError."""
    bearing = take_bearing(state, intake, key, question)
    framing = _CHUNKED if head.chunked else b"content-length: %d\r\n" % (head.content_length or 0)
    if bearing.target:
        framing += authority_lines(state.desk, bearing.attempt, bearing.target, bearing.pool.origin.authority, None)
    request = b"%b%b\r\n" % (bearing.beginning, framing)
    guard = None
    if bearing.guarded:
        guard = _guard(state, intake, key, head, bearing)
        guard.check_upload(intake.content_type)
    return Voyage(bearing.attempt, bearing.pool, None, _NO_CHANGES, b"", request, b"", head.chunked, guard)


def streams_upload(intake: Intake, head: RequestHead, max_body_bytes: int) -> bool:
    """Say whether the body passes through as it comes: native, and not JSON whose fields may be ours."""
    if not intake.native or not head.has_body:
        return False
    is_json = intake.content_type.lower().startswith("application/json")
    return not is_json or (head.content_length or 0) > max_body_bytes


def is_strict(key: KeyRecord, parameters: Parameters) -> bool:
    """Say whether a parameter that would be dropped refuses the call."""
    return key.strict or parameters.strict


def _read_native(body: bytes) -> Envelope | None:
    """Return the envelope, unless there is none: what is no object has no fields of ours, and is not ours to judge."""
    return peek(body) if body.lstrip().startswith(b"{") else None


def _guard(state: WorkerState, intake: Intake, key: KeyRecord, head: RequestHead, bearing: Bearing) -> Guard:
    assert state.snapshot is not None
    provider_id = bearing.attempt.route.provider.id
    operation, target = intake.surface.operation, head.target.decode("latin-1")
    if b"content-encoding" in head.fields and provider_id in state.snapshot.shared_providers:
        raise InvalidRequest("this body cannot be looked into; send it without Content-Encoding")
    return Guard(state.book, state.snapshot, provider_id, key.organization_id, operation, head.method, target)


def take_bearing(state: WorkerState, intake: Intake, key: KeyRecord, question: Question) -> Bearing:
    """Return an attempt that nothing follows: at the only deployment, or at one that is drawn. Raises GatewayError."""
    parameters, model, stream = question.parameters, question.model, question.stream
    if parameters is not NO_PARAMETERS:
        override = parameters.credentials("credential_override")
        customer = parameters.credentials("customer_credentials")
        keys = parameters.credentials("customer_api_keys")
        if override or customer or keys:
            terms = Terms(override=override, customer=customer, keys=keys, follows=False)
            made = intake.plan(key, model, terms, stream=stream)
            drawn = draw_regardless(made.choices[0], state.health, state.draw)
            assert drawn is not None, "a plan leads somewhere"
            return intake.bearing(drawn.attempt, stream=stream)
    bearing = intake.only_bearing(key, model, stream=stream)
    return intake.draw_bearing(key, model, stream=stream) if bearing is None else bearing
