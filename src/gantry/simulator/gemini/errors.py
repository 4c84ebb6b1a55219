"""Google's error bodies."""

from typing import Any

import msgspec

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.routes import Refusal

_KINDS: dict[int, tuple[str, str]] = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    409: ("ABORTED", "The operation was aborted."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
    499: ("CANCELLED", "The operation was cancelled."),
    500: ("INTERNAL", "An internal error has occurred. Please retry."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}
_TYPES = "type.googleapis.com/google.rpc."


def body(status: int, message: str, kind: str, details: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    inner: dict[str, Any] = {"code": status, "message": message, "status": kind}
    return {"error": {**inner, "details": details} if details else inner}


def error(status: int, message: str, details: list[dict[str, Any]] | None = None, kind: str = "") -> Answer:
    return json_answer(body(status, message, kind or _KINDS.get(status, ("UNKNOWN", ""))[0], details), status)


def simulated(status: int, code: str = "") -> Answer:
    """Return the error a fault asked for, or a JSON object where the status is no error."""
    if status < 300:
        return json_answer({"simulated": True}, status)
    kind, message = _KINDS.get(status, ("UNKNOWN", "Simulated error."))
    retry = [{"@type": _TYPES + "RetryInfo", "retryDelay": "2s"}] if status == 429 else None
    return error(status, message, retry, code or kind)


FAILURE = msgspec.json.encode(body(503, _KINDS[503][1], "UNAVAILABLE"))


def invalid(*messages: str) -> Refusal:
    return Refusal(error(400, "".join(messages)))


def misplaced(where: str, message: str) -> Refusal:
    """Refuse a field of the request, as its own validation does."""
    return invalid(f"* GenerateContentRequest.{where}: {message}\n")


def unreadable(violations: list[tuple[str, str]]) -> Refusal:
    """Refuse JSON that is not the message it should be: (place, what is wrong) each."""
    fields = [{"field": place, "description": text} for place, text in violations]
    details = [{"@type": _TYPES + "BadRequest", "fieldViolations": fields}]
    return Refusal(error(400, "\n".join(text for _, text in violations), details))


def unknown_model(model: str, operation: str, version: str) -> Refusal:
    text = f"models/{model} is not found for API version {version}, or is not supported for {operation}."
    hint = "Call ListModels to see the list of available models and their supported methods."
    return Refusal(error(404, f"{text} {hint}"))


def information(reason: str, service: str) -> dict[str, Any]:
    return {
        "@type": _TYPES + "ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": service},
    }
