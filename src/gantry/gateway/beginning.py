"""How an answer begins: which pump its bytes take, and which headers go before them. Step 7 of a request's path.

Law: what is relayed keeps the provider's headers and length; what is rewritten loses the headers that are about its
bytes. A body that is rewritten as a whole may turn out unreadable, so its headers wait for its end.
"""

from typing import Final

from msgspec.structs import replace

from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.changes import header_value
from gantry.dialects.frames import EVENT_STREAM
from gantry.gateway.bounded_stream import bound_stream
from gantry.gateway.breakdown import Asked
from gantry.gateway.headers import IDENTITY, AnswerKind, encode_client_headers
from gantry.gateway.prepare import Voyage
from gantry.gateway.pump import PLAIN, AdaptPump, Pump, RelayPump
from gantry.gateway.recording import Recording
from gantry.gateway.response_cache import MISS, Keeper
from gantry.gateway.surfaces import Surface
from gantry.wire.head import ResponseHead

_SANDBOX: Final = b"content-security-policy: sandbox\r\n"

Beginning = tuple[Pump, bytes, int | None, bool]  # header lines, the body's length, whether the headers wait for it


def begin_relay(head: ResponseHead, kind: AnswerKind, surface: Surface, voyage: Voyage, log_id: str) -> Beginning:
    """Return the beginning of an answer whose bytes leave as they come."""
    stream = kind.is_stream
    headers = encode_client_headers(head, log_id, stream, False)
    if stream:  # it has no length: a comment or an error of ours may come into it
        return _relay_pump(kind, surface, voyage), headers, None, False
    return PLAIN, headers if kind.is_json else headers + _SANDBOX, head.content_length, False


def begin_rewriting(
    head: ResponseHead,
    kind: AnswerKind,
    surface: Surface,
    voyage: Voyage,
    recording: Recording,
    asked: Asked | None,
    keeper: Keeper | None,
) -> Beginning:
    """Return the beginning of an answer that leaves otherwise than it comes, or has to be looked into first."""
    adaptation, guard = voyage.adaptation, voyage.guard
    adapting = AdaptPump(adaptation, surface.dialect, head.status, kind) if adaptation else None
    stream = kind.is_stream if adapting is None else adapting.flows
    told = kind if stream is kind.is_stream else replace(kind, is_stream=False, is_json=True)
    if asked is not None and not asked.fits(head.status, told):
        asked = None
    rewritten = adaptation is not None or asked is not None
    headers = encode_client_headers(head, recording.log_id, stream=stream, rewritten=rewritten)
    if voyage.changes:
        headers += b"x-gantry-changes: %b\r\n" % header_value(voyage.changes)
    if rewritten and stream:
        said = EVENT_STREAM if adapting is None else adapting.content_type
        headers += b"content-type: %b\r\n" % said.encode("latin-1")
    elif adapting is None and not (stream or kind.is_json):
        headers += _SANDBOX
    pump: Pump = _relay_pump(kind, surface, voyage) if adapting is None else adapting
    if recording.stream_hold is not None and stream:
        pump = bound_stream(pump, recording, voyage, surface.operation, head.status, kind)
    if keeper is not None:
        headers += MISS
        pump = keeper.over(pump, voyage, head.status, kind, recording)
    if asked is not None:
        pump = asked.over(pump, head.status, told)
    waits = rewritten and not stream
    if guard is not None:
        pump = guard.over(pump, head.status, kind)
        waits = waits or guard.holds(head.status, kind)
    return pump, headers, None if stream else head.content_length, waits


def _relay_pump(kind: AnswerKind, surface: Surface, voyage: Voyage) -> Pump:
    if not kind.is_stream or kind.encoding not in IDENTITY:
        return PLAIN
    responses = surface.operation is Operation.RESPONSES  # one form, whoever answers
    return RelayPump(Dialect.OPENAI_RESPONSES if responses else voyage.attempt.route.dialect)
