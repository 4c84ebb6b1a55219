"""Mistral's error bodies: the envelope, the validation list, and what its edge says to strangers."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from gantry.simulator.exchange import Answer, event, json_answer
from gantry.simulator.oracle import digest
from gantry.simulator.routes import Refusal

_KINDS: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "Invalid request"),
    402: ("payment_required", None, "Payment required"),
    403: ("forbidden", None, "You do not have access to this model"),
    404: ("not_found_error", None, "Not found"),
    408: ("request_timeout", None, "Request timed out"),
    413: ("payload_too_large", None, "Request body is too large"),
    429: ("rate_limited", "1300", "Rate limit exceeded"),
    500: ("internal_server_error", "1000", "Internal server error"),
    502: ("internal_server_error", "1000", "Bad gateway"),
    503: ("internal_server_error", "1000", "Service unavailable"),
    504: ("internal_server_error", "1000", "Gateway timeout"),
    529: ("overloaded", "3505", "Service overloaded"),
}
_CODES: dict[str, tuple[str, str]] = {
    "1500": ("invalid_model", "Invalid model: simulated"),
    "3051": ("invalid_request_error", "Prompt contains too many tokens for the context of this model"),
    "3230": ("invalid_request_message_order", "Unexpected role 'user' after role 'tool'"),
    "3280": ("invalid_function_call", "Tool call id must be a-z, A-Z, 0-9, with a length of 9."),
    "3505": ("service_tier_capacity_exceeded", "Service tier capacity exceeded for this model."),
}
_ROLES = ("system", "user", "assistant", "tool")
_PATH = re.compile(r"^(.*?)(?: - at `\$(.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def error(status: int, message: str, kind: str, code: str | None = None, param: str | None = None) -> Answer:
    body = {
        "object": "error",
        "message": message,
        "type": kind,
        "param": param,
        "code": code,
        "raw_status_code": status,
    }
    return json_answer(body, status)


def simulated(status: int, code: str = "") -> Answer:
    """Return the error a fault asked for, or a JSON object where the status is no error."""
    if status < 300:
        return json_answer({"simulated": True}, status)
    if status == 401:
        return strangers("")
    if status == 422:
        return json_answer({"detail": [_item("value_error", ("body",), "Value error, simulated", None)]}, 422)
    kind, usual, message = _KINDS.get(status, ("internal_server_error", "1000", "Simulated error"))
    kind, message = _CODES.get(code, (kind, message))
    return error(status, message, kind, code or usual)


ERROR_EVENT = event(
    {"object": "error", "message": "Service unavailable", "type": "internal_server_error", "code": "1000"}
)


def strangers(key: str) -> Answer:
    """Answer a request without a key as the edge does, and one with a wrong key as the API does."""
    if not key:
        return json_answer({"message": "Unauthorized", "request_id": digest("unauthorized")}, 401)
    return json_answer({"detail": "Invalid API Key"}, 401)


def invalid_model(model: str) -> Refusal:
    return Refusal(error(400, f"Invalid model: {model}", "invalid_model", "1500"))


def message_order(message: str) -> Refusal:
    return Refusal(error(400, message, "invalid_request_message_order", "3230"))


def not_found(kind: str, name: str) -> Refusal:
    return Refusal(json_answer({"detail": f"{kind} {name} not found"}, 404))


def capability(model: str, what: str) -> Refusal:
    return Refusal(error(400, f"Model {model} does not support {what}", "invalid_model", "1500"))


def unprocessable(kind: str, where: tuple[str | int, ...], message: str, given: Any) -> Refusal:
    return Refusal(json_answer({"detail": [_item(kind, where, message, given)]}, 422))


def literal(where: tuple[str | int, ...], given: Any, allowed: Iterable[str]) -> Refusal:
    return unprocessable("literal_error", where, f"Input should be {_listed(allowed)}", given)


def out_of_range(name: str, given: str, least: int) -> Refusal:
    kind = "greater_than_equal" if given.lstrip("-").isdigit() else "int_parsing"
    return unprocessable(kind, ("query", name), f"Input should be a number, {least} or more", given)


def validation(failure: msgspec.MsgspecError, body: bytes) -> Refusal:
    """Turn a decoding error into the 422 that a pydantic server gives."""
    if not isinstance(failure, msgspec.ValidationError):
        item = {**_item("json_invalid", ("body", 0), "JSON decode error", {}), "ctx": {"error": str(failure)}}
        return Refusal(json_answer({"detail": [item]}, 422))
    found = _PATH.match(str(failure))
    text, path = (found[1], found[2] or "") if found else (str(failure), "")
    where: tuple[str | int, ...] = ("body", *(name or int(index) for name, index in _STEP.findall(path)))
    if text.startswith("Invalid value") and where[-1] == "role":
        return _unknown_role(body, where[:-1])
    quoted = re.search(r"`([^`]+)`", text)
    name = quoted[1] if quoted else ""
    if text.startswith("Object contains unknown field"):
        where = (*where, name)
        item = _item("extra_forbidden", where, "Extra inputs are not permitted", _value_at(body, where))
    elif text.startswith("Object missing required field"):
        item = _item("missing", (*where, name), "Field required", _value_at(body, where))
    else:
        item = _item(_kind(text), where, text, _value_at(body, where))
    return Refusal(json_answer({"detail": [{**item, "loc": _tagged(body, item["loc"])}]}, 422))


def _tagged(body: bytes, where: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Name the role after a message's index, as a server that tells messages apart by their role does."""
    if len(where) < 4 or where[1] != "messages":
        return where
    role = _value_at(body, (*where[:3], "role"))
    return (*where[:3], role, *where[3:]) if role else where


def _unknown_role(body: bytes, where: tuple[str | int, ...]) -> Refusal:
    message = _value_at(body, where)
    expected = ", ".join(repr(role) for role in _ROLES)
    text = f"Input tag {message['role']!r} found using 'role' does not match any of the expected tags: {expected}"
    return unprocessable("union_tag_invalid", where, text, message)


def _kind(text: str) -> str:
    for mark, kind in ((" >= ", "greater_than_equal"), (" <= ", "less_than_equal"), (" > ", "greater_than")):
        if mark in text:
            return kind
    return "literal_error" if text.startswith(("Invalid value", "Invalid enum value")) else "type_error"


def _listed(allowed: Iterable[str]) -> str:
    *first, last = (repr(value) for value in allowed)
    return f"{', '.join(first)} or {last}" if first else last


def _item(kind: str, where: tuple[str | int, ...], message: str, given: Any) -> dict[str, Any]:
    return {"type": kind, "loc": where, "msg": message, "input": given}


def _value_at(body: bytes, where: tuple[str | int, ...]) -> Any:
    value = msgspec.json.decode(body)
    for step in where[1:]:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
