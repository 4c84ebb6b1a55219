"""From the offer of a WebSocket to the request that goes upstream, and what its answer must say.

Law: the offer passes as it came, with the provider's credential for ours, the model under the provider's name, and
without extensions: frames stay readable for the record, and nobody has to agree on what nobody asked for.
"""

from typing import Final
from urllib.parse import quote, unquote_plus

import msgspec
from msgspec import Struct

from gantry.core.errors import Forbidden, InvalidRequest, UpstreamBroke
from gantry.core.vocabulary import Operation
from gantry.dial.pool import Pool
from gantry.gateway.headers import encode_upstream_headers
from gantry.gateway.intake import Intake
from gantry.gateway.native import is_shared
from gantry.gateway.prepare import Question, take_bearing, understand
from gantry.gateway.state import WorkerState
from gantry.gateway.surfaces import without_key
from gantry.routing.plan import Attempt
from gantry.routing.snapshot import KeyRecord
from gantry.wire.head import RequestHead, ResponseHead
from gantry.wire.websocket import accept_for, wants_websocket

_EXTENSIONS: Final = b"sec-websocket-extensions"
_UPGRADE: Final = b"upgrade: websocket\r\nconnection: Upgrade\r\n"
_LINE_END: Final = b"\r\n"


class Offer(Struct, frozen=True):
    """An upgrade that is ready to be asked for."""

    attempt: Attempt
    pool: Pool
    request: bytes
    accept: bytes  # what the answer must say


def offers_websocket(head: RequestHead) -> bool:
    """Say whether a request offers a WebSocket. An Upgrade that is anything else may be ignored (RFC 9110 §7.8)."""
    return head.method == "GET" and head.version == "1.1" and not head.has_body and wants_websocket(head.fields)


def ask(intake: Intake, head: RequestHead) -> Question:
    """Read what an offer asks for: the model stands in its query. Raises InvalidRequest."""
    question = understand(intake, head, b"")
    model = _read_model(head.target)
    if model is None and intake.surface.operation is Operation.REALTIME:
        raise InvalidRequest("`model` is missing. Send it in the query: ?model=NAME", param="model")
    return msgspec.structs.replace(question, model=model, stream=True)


def make_offer(state: WorkerState, intake: Intake, key: KeyRecord, head: RequestHead, question: Question) -> Offer:
    """Choose who is asked, and write the request to them. Raises GatewayError."""
    attempt = take_bearing(state, intake, key, question).attempt
    route = attempt.route
    shared = state.snapshot is not None and is_shared(state.snapshot, route.provider.id)
    if shared and intake.surface.operation is not Operation.REALTIME:
        raise Forbidden(
            "several organizations may use this account of the provider, and what a WebSocket tells of it cannot be "
            "kept apart; only realtime transcription and speech are open to you"
        )
    departure = state.departure(head.method, attempt).after(intake.hops)
    upstream_model = route.upstream_model
    query = without_key(head.target.partition(b"?")[2].decode("latin-1")).encode("latin-1")
    if upstream_model is not None and upstream_model != question.model:
        query = _with_model(query, upstream_model)
    lines = encode_upstream_headers(head).split(_LINE_END)
    forwarded = _LINE_END.join([line for line in lines if not line.startswith(_EXTENSIONS + b":")])
    start = b"%b%b%b HTTP/1.1\r\n" % (departure.target, b"?" if query else b"", query)
    request = b"%b%b%b%b\r\n" % (start, departure.lines, _UPGRADE, forwarded)
    return Offer(attempt, departure.pool, request, accept_for(head.fields[b"sec-websocket-key"]))


def check_acceptance(offer: Offer, head: ResponseHead) -> None:
    """Raise UpstreamBroke unless a 101 is the answer to this offer (RFC 6455 §4.1)."""
    if head.get(b"sec-websocket-accept") != offer.accept or (head.get(b"upgrade") or b"").lower() != b"websocket":
        raise UpstreamBroke("the provider's answer to the WebSocket handshake does not match the request")
    if head.get(_EXTENSIONS):
        raise UpstreamBroke("the provider chose a WebSocket extension that was not offered")


def _read_model(target: bytes) -> str | None:
    """Return the model in a target's query. Raises InvalidRequest when it could be read in two ways."""
    members = [member for member in target.partition(b"?")[2].split(b"&") if _names_model(member)]
    if len(members) > 1:
        raise InvalidRequest("`model` stands twice in the query", param="model")
    value = unquote_plus(members[0].partition(b"=")[2].decode("latin-1")) if members else ""
    return value or None


def _with_model(query: bytes, model: str) -> bytes:
    written = b"model=" + quote(model, safe="").encode()
    return b"&".join([written if _names_model(member) else member for member in query.split(b"&")])


def _names_model(member: bytes) -> bool:
    return unquote_plus(member.partition(b"=")[0].decode("latin-1")) == "model"
