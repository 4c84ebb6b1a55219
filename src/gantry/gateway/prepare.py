"""From a request that was read to the bytes that go upstream. Steps 4 to 6 of a request's path.

Law: the caller's bytes leave as they came, but for the fields that are ours or must change (law 1). Nothing here
writes or waits: a question is understood, a voyage is made of it, and `Call` sets out.
"""

from typing import Final

import msgspec
from msgspec import Struct

from gantry.core.errors import InternalError, InvalidRequest
from gantry.core.vocabulary import Tier
from gantry.dial.pool import Pool
from gantry.dialects.adapt import Adaptation, adapt_request
from gantry.gateway.admit import check_model
from gantry.gateway.intake import Bearing, Intake
from gantry.gateway.params import NO_PARAMETERS, Parameters, lift_parameters
from gantry.gateway.state import WorkerState
from gantry.routing.plan import Attempt
from gantry.routing.planner import plan
from gantry.routing.snapshot import KeyRecord
from gantry.wire.envelope import Envelope, peek
from gantry.wire.head import RequestHead

_ADAPT: Final = Tier.ADAPT  # Python 3.11 reads an enum's member through a descriptor
_BODY_EXPECTED: Final = frozenset(("POST", "PUT", "PATCH"))
_CHUNKED: Final = b"transfer-encoding: chunked\r\n"


class Question(Struct, frozen=True, gc=False):
    """What a request asks, as far as we understand it. `envelope` is None where its body is not ours to read."""

    envelope: Envelope | None
    parameters: Parameters
    model: str | None
    stream: bool
    metadata: bytes


class Voyage(Struct, frozen=True, gc=False):
    """One attempt, ready to set out. `body` is what the record keeps, `request` what goes over the wire."""

    attempt: Attempt
    pool: Pool
    adaptation: Adaptation | None
    body: bytes
    request: bytes


def understand(intake: Intake, head: RequestHead, body: bytes) -> Question:
    """Read a request. Raises InvalidRequest."""
    operation = intake.surface.operation
    opaque = intake.opaque
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
    metadata = (None if parameters is NO_PARAMETERS else parameters.replace.get("metadata")) or envelope.get("metadata")
    return Question(envelope, parameters, model, stream, metadata or b"")


def make_voyage(
    state: WorkerState, intake: Intake, key: KeyRecord, head: RequestHead, question: Question, body: bytes
) -> Voyage:
    """Choose who is asked, and write the request to them. Raises GatewayError."""
    bearing = _take_bearing(state, intake, key, question)
    attempt = bearing.attempt
    adaptation = None
    envelope, parameters, model = question.envelope, question.parameters, question.model
    if envelope is not None:
        route = attempt.route
        replace = parameters.replace
        if model is not None and route.upstream_model != model:
            replace = {**replace, "model": msgspec.json.encode(route.upstream_model)}
        if replace or parameters is not NO_PARAMETERS:
            body = envelope.splice(replace, parameters.remove)
        if route.tier is _ADAPT:
            adaptation = adapt_request(body)
            body = adaptation.body
    framing = b"content-length: %d\r\n" % len(body) if body or head.method in _BODY_EXPECTED else b""
    request = b"%b%b\r\n%b" % (bearing.beginning, framing, body)
    return Voyage(attempt, bearing.pool, adaptation, body, request)


def make_upload(state: WorkerState, intake: Intake, key: KeyRecord, head: RequestHead, question: Question) -> Voyage:
    """As `make_voyage`, for a body that follows as it comes. Raises GatewayError."""
    bearing = _take_bearing(state, intake, key, question)
    framing = _CHUNKED if head.chunked else b"content-length: %d\r\n" % (head.content_length or 0)
    return Voyage(bearing.attempt, bearing.pool, None, b"", b"%b%b\r\n" % (bearing.beginning, framing))


def streams_upload(intake: Intake, head: RequestHead, max_body_bytes: int) -> bool:
    """Say whether the body passes through as it comes: opaque, and not JSON whose fields may be ours."""
    if not intake.opaque or not head.has_body:
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


def _take_bearing(state: WorkerState, intake: Intake, key: KeyRecord, question: Question) -> Bearing:
    parameters, model = question.parameters, question.model
    if parameters is not NO_PARAMETERS:
        override = parameters.credentials("credential_override")
        customer = parameters.credentials("customer_credentials")
        if override or customer:
            if state.snapshot is None:
                raise InternalError("this worker has no configuration yet")
            wish = intake.wish(key, model)
            attempt = plan(state.snapshot, wish, state.draw, override=override, customer=customer).attempts[0]
            check_model(key, attempt.route.names)
            return intake.bear(attempt)
    return intake.take_bearing(key, model)
