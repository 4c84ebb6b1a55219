"""OpenAI's error bodies."""

from gantry.simulator.exchange import Answer, event, json_answer
from gantry.simulator.routes import Refusal

_KINDS: dict[int, tuple[str, str | None, str]] = {
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("insufficient_permissions", None, "You have insufficient permissions for this operation."),
    404: ("invalid_request_error", "not_found", "Not found."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    503: ("service_unavailable_error", None, "The engine is currently overloaded, please try again later."),
}

ERROR_EVENT = event(
    {"error": {"message": "The server had an error.", "type": "server_error", "param": None, "code": None}}
)


def error(status: int, message: str, kind: str, code: str | None = None, param: str | None = None) -> Answer:
    return json_answer({"error": {"message": message, "type": kind, "param": param, "code": code}}, status)


def simulated(status: int, code: str = "") -> Answer:
    """Return the error a fault asked for, or a JSON object where the status is no error."""
    if status < 300:
        return json_answer({"simulated": True}, status)
    fallback = ("invalid_request_error" if status < 500 else "server_error", None, "Simulated error.")
    kind, usual, message = _KINDS.get(status, fallback)
    return error(status, message, kind, code or usual)


def unknown_model(model: str) -> Refusal:
    message = f"The model `{model}` does not exist or you do not have access to it."
    return Refusal(error(404, message, "invalid_request_error", "model_not_found"))


def invalid(message: str, param: str | None, code: str | None = None) -> Refusal:
    return Refusal(error(400, message, "invalid_request_error", code, param))
