"""From a request that was read to the bytes that go upstream. Steps 4 to 6 of a request's path.

Law: the caller's bytes leave as they came, but for the fields that are ours or must change (law 1). Nothing here
writes or waits: a question is understood, a voyage is made of it, and `Call` sets out.
"""

from typing import Final, NamedTuple

import msgspec

from gantry.core.errors import InternalError, InvalidRequest
from gantry.core.vocabulary import Operation, Tier
from gantry.dial.pool import Pool
from gantry.dialects.adapt import Adaptation, adapt_request
from gantry.gateway.admit import check_model
from gantry.gateway.intake import Intake
from gantry.gateway.params import NO_PARAMETERS, Parameters, lift_parameters
from gantry.gateway.state import WorkerState
from gantry.routing.plan import Attempt
from gantry.routing.planner import draw_attempt, plan
from gantry.routing.snapshot import KeyRecord
from gantry.wire.envelope import Envelope, peek
from gantry.wire.head import RequestHead

_OPAQUE: Final = Operation.OPAQUE
_BODY_EXPECTED: Final = frozenset(("POST", "PUT", "PATCH"))
_CHUNKED: Final = b"transfer-encoding: chunked\r\n"
_IDENTITY: Final = b"accept-encoding: identity\r\n"


class Question(NamedTuple):
    """What a request asks, as far as we understand it. `envelope` is None where its body is not ours to read."""

    envelope: Envelope | None
    parameters: Parameters
    model: str | None
    stream: bool
    metadata: bytes


class Voyage(NamedTuple):
    """One attempt, ready to set out. `body` is what the record keeps, `request` what goes over the wire."""

    attempt: Attempt
    pool: Pool
    adaptation: Adaptation | None
    body: bytes
    request: bytes


def understand(intake: Intake, head: RequestHead, body: bytes) -> Question:
    """Read a request. Raises InvalidRequest."""
    operation = intake.surface.operation
    opaque = operation is _OPAQUE
    envelope = _read_envelope(body, head.method, opaque=opaque)
    parameters = lift_parameters(envelope, head.fields if intake.has_parameters else {}, operation)
    if envelope is None:
        return Question(None, parameters, None, False, parameters.replace.get("metadata", b""))
    model = envelope.text("model")
    if opaque:
        stream = False
    elif model is None:
        raise InvalidRequest("`model` is missing", param="model")
    else:
        stream = envelope.flag("stream")
    metadata = parameters.replace.get("metadata") or envelope.get("metadata") or b""
    return Question(envelope, parameters, model, stream, metadata)


def make_voyage(
    state: WorkerState, intake: Intake, key: KeyRecord, head: RequestHead, question: Question, body: bytes
) -> Voyage:
    """Choose who is asked, and write the request to them. Raises GatewayError."""
    attempt = _choose_attempt(state, intake, key, question)
    route = attempt.route
    if key.models:
        check_model(key, route.names)
    adaptation = None
    envelope, parameters, model = question.envelope, question.parameters, question.model
    if envelope is not None:
        replace = parameters.replace
        if model is not None and route.upstream_model != model:
            replace = {**replace, "model": msgspec.json.encode(route.upstream_model)}
        if replace or parameters is not NO_PARAMETERS:
            body = envelope.splice(replace, parameters.remove)
        if route.tier is Tier.ADAPT:
            adaptation = adapt_request(body)
            body = adaptation.body
    framing = b"content-length: %d\r\n" % len(body) if body or head.method in _BODY_EXPECTED else b""
    pool, beginning = _beginning(state, intake, head, attempt)
    return Voyage(attempt, pool, adaptation, body, b"%b%b\r\n%b" % (beginning, framing, body))


def make_upload(state: WorkerState, intake: Intake, key: KeyRecord, head: RequestHead, question: Question) -> Voyage:
    """As `make_voyage`, for a body that follows as it comes. Raises GatewayError."""
    attempt = _choose_attempt(state, intake, key, question)
    framing = _CHUNKED if head.chunked else b"content-length: %d\r\n" % (head.content_length or 0)
    pool, beginning = _beginning(state, intake, head, attempt)
    return Voyage(attempt, pool, None, b"", b"%b%b\r\n" % (beginning, framing))


def streams_upload(intake: Intake, head: RequestHead, max_body_bytes: int) -> bool:
    """Say whether the body passes through as it comes: opaque, and not JSON whose fields may be ours."""
    if intake.surface.operation is not _OPAQUE or not head.has_body:
        return False
    is_json = intake.content_type.lower().startswith("application/json")
    return not is_json or (head.content_length or 0) > max_body_bytes


def _read_envelope(body: bytes, method: str, *, opaque: bool) -> Envelope | None:
    if not opaque:
        return peek(body) if method == "POST" else None
    try:
        return peek(body) if body else None
    except InvalidRequest:
        return None  # not an object we understand: relayed as it is, and the provider's to judge


def _choose_attempt(state: WorkerState, intake: Intake, key: KeyRecord, question: Question) -> Attempt:
    snapshot = state.snapshot
    if snapshot is None:
        raise InternalError("this worker has no configuration yet")
    parameters, model = question.parameters, question.model
    if parameters is not NO_PARAMETERS:
        override = parameters.credentials("credential_override")
        customer = parameters.credentials("customer_credentials")
        if override or customer:
            wish = intake.wish(key, model)
            return plan(snapshot, wish, state.draw, override=override, customer=customer).attempts[0]
    return draw_attempt(intake.find_route(key, model), state.draw)


def _beginning(state: WorkerState, intake: Intake, head: RequestHead, attempt: Attempt) -> tuple[Pool, bytes]:
    """Return the pool an attempt sets out from, and its request up to the framing of the body."""
    departure = state.departure(head.method, attempt)
    if intake.surface.operation is not _OPAQUE:
        start = departure.target
        encoding = _IDENTITY
    else:
        _, mark, query = head.target.partition(b"?")
        start = departure.target + mark + query
        accepted = head.fields.get(b"accept-encoding")
        encoding = b"accept-encoding: %b\r\n" % accepted if accepted is not None else b""
    return departure.pool, b"%b HTTP/1.1\r\n%b%b%b" % (start, departure.lines, encoding, intake.forwarded)
