"""When do two requests ask the same? A form of a JSON body that is the same where its spelling alone differs.

Law: pure. Order of keys, white space and escapes are spelling; every value is meant. `1` and `1.0` are not the same
here: what is told apart needlessly costs a call, what is confused gives a wrong answer. What says only who asks, and
how the answer is to be delivered, is left out; but of a stream, its options say which events it has.
"""

from collections.abc import Set
from typing import Any, Final

import msgspec

_OF_THE_CALLER: Final = frozenset(("model", "stream", "user", "metadata"))
_OF_A_STREAM: Final = "stream_options"
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def asked_in(body: bytes, ours: Set[str], *, stream: bool) -> dict[str, Any] | None:
    """Return what a JSON object asks, without the fields that are `ours`; None where it cannot be read exactly."""
    try:
        members = _decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    left_out = _OF_THE_CALLER | ours
    if not stream:
        left_out |= {_OF_A_STREAM}
    return {name: value for name, value in members.items() if name not in left_out}


def same_form(value: Any) -> bytes:
    """Return JSON that is the same for the same value."""
    return _encode(value)


def leaves_state(members: dict[str, Any], *, is_response: bool) -> bool:
    """Say whether a request goes on from, or leaves something at, a place that outlives its answer.

    A response is stored unless it is said not to be; a chat, only where it is.
    """
    if members.get("previous_response_id") is not None or members.get("conversation") is not None:
        return True
    store = members.get("store")
    return members.get("background") is True or (is_response if store is None else store is not False)
