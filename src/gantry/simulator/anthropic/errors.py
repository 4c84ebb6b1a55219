"""Anthropic's error bodies. The id of the request is put in by the edge, which alone knows it."""

from gantry.simulator.exchange import Answer, event, json_answer
from gantry.simulator.misfit import Place
from gantry.simulator.routes import Refusal

INVALID = "invalid_request_error"
UNNAMED = "req_unnamed"
_KINDS: dict[int, tuple[str, str]] = {
    400: (INVALID, "Invalid request"),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "Not found"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "The request timed out."),
    529: ("overloaded_error", "Overloaded"),
}

ERROR_EVENT = event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error")


def error(status: int, kind: str, message: str) -> Answer:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": UNNAMED}
    return json_answer(body, status)


def simulated(status: int, code: str = "") -> Answer:
    """Return the error a fault asked for, or a JSON object where the status is no error."""
    if status < 300:
        return json_answer({"simulated": True}, status)
    kind, message = _KINDS.get(status, (INVALID if status < 500 else "api_error", "Simulated error"))
    return error(status, code or kind, message)


def invalid(message: str) -> Refusal:
    return Refusal(error(400, INVALID, message))


def misplaced(where: Place, message: str) -> Refusal:
    """Refuse what is at a place of the body."""
    return invalid(f"{'.'.join(map(str, where))}: {message}")


def not_found(message: str) -> Refusal:
    return Refusal(error(404, "not_found_error", message))
