"""What OTLP's receiver answers: how much of a request was taken, or why none of it was, in the request's encoding.

Law: a request that was taken whole is answered by an empty message, as the protocol has it.
"""

import msgspec
from msgspec import UNSET, Struct, UnsetType

from gantry.wire.protobuf import encode_bytes, encode_number


class PartialSuccess(Struct, frozen=True, rename="camel"):
    rejected_spans: str  # a number of 64 bits, which JSON of Protocol Buffers has in a text
    error_message: str


class ExportTraceServiceResponse(Struct, frozen=True, rename="camel"):
    partial_success: PartialSuccess | UnsetType = UNSET


def encode_taken(rejected: int, why: str, *, as_json: bool) -> bytes:
    """Return the answer to a request of which all but so many spans were taken."""
    if as_json:
        partial = PartialSuccess(str(rejected), why) if rejected else UNSET
        return msgspec.json.encode(ExportTraceServiceResponse(partial))
    partial_success = encode_number(1, rejected) + encode_bytes(2, why.encode("utf-8", "replace"))
    return encode_bytes(1, partial_success) if rejected else b""


def encode_refusal(code: int, why: str) -> bytes:
    """Return a `google.rpc.Status` in Protocol Buffers."""
    return encode_number(1, code) + encode_bytes(2, why.encode("utf-8", "replace"))
