"""The items of a response's input: which there are, whose results they are, and reasoning that came back unchanged.

Raises Refusal with a 400, but for an item that was never kept: that is a 404.
"""

import base64
from collections.abc import Callable, Sequence
from typing import Any

from gantry.simulator.openai.bodies import missing
from gantry.simulator.openai.errors import error, invalid
from gantry.simulator.routes import Refusal
from gantry.simulator.seal import decoded, is_sealed, sealed

_ROLES = ("assistant", "system", "developer", "user")
_TYPES = (
    "message",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "reasoning",
    "item_reference",
    "file_search_call",
    "web_search_call",
    "computer_call",
    "computer_call_output",
    "image_generation_call",
    "code_interpreter_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "compaction",
)
_SAID = ("output_text", "refusal")
_HEARD = ("input_text", "input_image", "input_file", "input_audio")
_STRINGS = ("id", "call_id", "name", "arguments", "encrypted_content")
_CALLS = ("function_call", "custom_tool_call")
_SEAL = "gAAAAAB"


def encrypt(thinking: str) -> str:
    return _SEAL + base64.urlsafe_b64encode(sealed(thinking)).decode()


def listed(given: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return an input as items."""
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    return [{"type": "message", **item} if "role" in item else item for item in given]


def never_kept(name: str) -> Refusal:
    text = f"Item with id '{name}' not found. Items are not persisted when `store` is set to false."
    hint = "Try again with `store` set to true, or remove this item from your input."
    return Refusal(error(404, f"{text} {hint}", "invalid_request_error", None, "input"))


def check_items(
    items: Sequence[dict[str, Any]], before: Sequence[dict[str, Any]], is_kept: Callable[[str], bool]
) -> None:
    """Refuse what cannot follow `before`, the items of the responses this one continues.

    `is_kept` says whether the account has an item of this id from any other response.
    """
    for index, item in enumerate(items):
        _check_item(item, f"input[{index}]")
    _check_results([*before, *items])
    _check_reasoning(items, before, is_kept)


def _check_item(item: dict[str, Any], place: str) -> None:
    kind = item.get("type")
    if kind is None:
        raise missing(f"{place}.type")
    if not isinstance(kind, str):
        raise _mistyped(f"{place}.type", "a string")
    if kind not in _TYPES:
        raise _unsupported(kind, _TYPES, f"{place}.type")
    needed = {"function_call": ("call_id", "name", "arguments"), "function_call_output": ("call_id", "output")}
    for name in needed.get(kind, ()):
        if name not in item:
            raise missing(f"{place}.{name}")
    for name in _STRINGS:
        if not isinstance(item.get(name), str | None):
            raise _mistyped(f"{place}.{name}", "a string")
    if kind == "message":
        _check_message(item, place)


def _check_message(item: dict[str, Any], place: str) -> None:
    if item.get("role") not in _ROLES:
        raise _unsupported(str(item.get("role")), _ROLES, f"{place}.role")
    content = item.get("content")
    if content is None:
        raise missing(f"{place}.content")
    allowed = _SAID if item["role"] == "assistant" else _HEARD
    if not isinstance(content, str | list):
        raise _mistyped(f"{place}.content", "an array of objects or string")
    for number, part in enumerate(content if isinstance(content, list) else ()):
        if not isinstance(part, dict) or not isinstance(part.get("text"), str | None):
            raise _mistyped(f"{place}.content[{number}]", "an object with a text")
        if part.get("type") not in allowed:
            raise _unsupported(str(part.get("type")), allowed, f"{place}.content[{number}]")


def _check_results(items: Sequence[dict[str, Any]]) -> None:
    called = {item["call_id"] for item in items if item.get("type") in _CALLS and "call_id" in item}
    kinds = tuple(kind + "_output" for kind in _CALLS)
    answered = {item["call_id"] for item in items if item.get("type") in kinds and "call_id" in item}
    for name in sorted(answered - called):
        raise invalid(f"No tool call found for function call output with call_id {name}.", "input")
    for name in sorted(called - answered):
        raise invalid(f"No tool output found for function call {name}.", "input")


def _check_reasoning(
    items: Sequence[dict[str, Any]], before: Sequence[dict[str, Any]], is_kept: Callable[[str], bool]
) -> None:
    """Reasoning is known by its seal, or by its id if it was kept, and is followed by what it led to."""
    kept = {item.get("id") for item in before}
    for index, item in enumerate(items):
        if item["type"] != "reasoning":
            continue
        name, encrypted = item.get("id", ""), item.get("encrypted_content")
        if encrypted is None and name not in kept and not is_kept(name):
            raise never_kept(name)
        if encrypted is not None and not _is_encrypted(encrypted):
            text = f"The encrypted content {encrypted[:10]}... could not be verified."
            reason = "Reason: Encrypted content could not be decrypted or parsed."
            raise invalid(f"{text} {reason}", None, "invalid_encrypted_content")
        following = items[index + 1] if index + 1 < len(items) else {}
        if following.get("role") == "user" or not following:
            raise invalid(
                f"Item '{name}' of type 'reasoning' was provided without its required following item.", "input"
            )


def _is_encrypted(given: str) -> bool:
    return given.startswith(_SEAL) and is_sealed(decoded(given.removeprefix(_SEAL)))


def _mistyped(param: str, kind: str) -> Refusal:
    return invalid(f"Invalid type for '{param}': expected {kind}.", param, "invalid_type")


def _unsupported(given: str, allowed: Sequence[str], param: str) -> Refusal:
    names = [f"'{name}'" for name in allowed]
    text = f"Invalid value: '{given}'. Supported values are: {', '.join(names[:-1])}, and {names[-1]}."
    return invalid(text, param, "invalid_value")
