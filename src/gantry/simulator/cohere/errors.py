"""Cohere's error bodies: an id and a message, and nothing else."""

from gantry.simulator.exchange import Answer, event, json_answer
from gantry.simulator.oracle import uuid
from gantry.simulator.routes import Refusal

_MESSAGES: dict[int, str] = {
    400: "invalid request: simulated",
    403: "Your API key does not have access to this resource.",
    404: "resource not found",
    422: "invalid request: unprocessable entity",
    429: "You are past the per minute request limit, please wait and try again later.",
    498: "invalid token in request",
    499: "The request was cancelled by the user.",
    500: "internal server error, this has been reported to our developers.",
    503: "service unavailable, please retry",
    504: "request timed out",
}

ERROR_EVENT = event(
    {"type": "message-end", "delta": {"error": "internal server error", "finish_reason": "ERROR"}}, "message-end"
)


def error(status: int, message: str) -> Answer:
    return json_answer({"id": uuid(str(status), message), "message": message}, status)


def simulated(status: int, code: str = "") -> Answer:
    """Return the error a fault asked for, or a JSON object where the status is no error."""
    if status < 300:
        return json_answer({"simulated": True}, status)
    return error(status, code or _MESSAGES.get(status, "simulated error"))


def invalid(message: str) -> Refusal:
    return Refusal(error(400, f"invalid request: {message}"))


def unknown_model(name: str) -> Refusal:
    text = "make sure the correct model ID was used and that you have access to the model."
    return Refusal(error(404, f"model '{name}' not found, {text}"))
