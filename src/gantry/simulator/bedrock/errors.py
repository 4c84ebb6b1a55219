"""Bedrock's errors: the kind in a header, a message in the body; in a stream, a message of a kind of its own."""

import msgspec

from gantry.simulator import eventstream
from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.routes import Refusal

_KINDS: dict[int, tuple[str, str]] = {
    400: ("ValidationException", "The provided request is not valid"),
    403: ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
    404: ("ResourceNotFoundException", "Could not resolve the foundation model from the provided model identifier."),
    408: ("ModelTimeoutException", "The model took too long to respond."),
    424: ("ModelErrorException", "The model returned an error."),
    429: ("ThrottlingException", "Too many requests, please wait before trying again."),
    500: ("InternalServerException", "The system encountered an unexpected error during processing. Try again."),
    503: ("ServiceUnavailableException", "Bedrock is unable to process your request."),
}
_FAMILY = ":http://internal.amazon.com/coral/com.amazon.bedrock/"

FAILURE = eventstream.encode(
    {":exception-type": "modelStreamErrorException", ":content-type": "application/json", ":message-type": "exception"},
    msgspec.json.encode({"message": "The model stream ended with an error.", "originalStatusCode": 500}),
)


def error(status: int, kind: str, message: str) -> Answer:
    return json_answer({"message": message}, status, ((b"x-amzn-errortype", (kind + _FAMILY).encode("latin-1")),))


def simulated(status: int, code: str = "") -> Answer:
    """Return the error a fault asked for, or a JSON object where the status is no error."""
    if status < 300:
        return json_answer({"simulated": True}, status)
    kind, message = _KINDS.get(status, ("InternalServerException", "Simulated error"))
    return error(status, code or kind, message)


def invalid(message: str) -> Refusal:
    return Refusal(error(400, "ValidationException", message))


def constraint(value: object, place: str, rule: str) -> Refusal:
    """Refuse a value that breaks a rule of the service's model, in the words its framework has for that."""
    text = f"Value '{value}' at '{place}' failed to satisfy constraint: Member must {rule}"
    return invalid(f"1 validation error detected: {text}")
