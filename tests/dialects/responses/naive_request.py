"""What a request means, whatever way it is written: for comparing one with its decoded and encoded twin.

Written apart from the codec. What is taken away here is what the format says is equal, or what has no slot in the
canonical chat, each with its reason.
"""

from typing import Any

_TEXTS = ("input_text", "output_text", "text")
_ROLES = {"system": "developer"}  # the same to the API


def meaning(body: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in body.items() if value is not None}
    if told.get("stream") is False:
        del told["stream"]
    if told.get("truncation") == "disabled":
        del told["truncation"]  # the default
    if "include" in told:
        told["include"] = sorted(told["include"])
    if told.get("instructions") == "":
        del told["instructions"]
    if told.get("include") == []:
        del told["include"]
    if "tools" in told:
        told["tools"] = [_tool(tool) for tool in told["tools"]]
    if told.get("tools") == []:
        del told["tools"]
    for name in ("text", "reasoning"):
        if name in told:
            told[name] = _without_nulls(told[name])
    if told.get("text", {}).get("format") == {"type": "text"}:
        del told["text"]["format"]  # the default
    if told.get("text") == {}:
        del told["text"]
    given = told.get("input") or []
    told["input"] = _merged([_item(item) for item in _items(given)])
    return told


def _items(given: str | list[Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if tool["type"] != "function":
        return tool
    told = _without_nulls(tool)
    if told.get("defer_loading") is False:
        del told["defer_loading"]
    return told


def _item(item: dict[str, Any]) -> dict[str, Any]:
    kind = item.get("type", "message")
    if kind == "message":
        # `phase` has no slot in the canonical chat; ids and statuses of items mean nothing in a request without state.
        content = item["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else [_part(part) for part in content]
        return {"type": kind, "role": _ROLES.get(item["role"], item["role"]), "content": parts}
    if kind == "reasoning":
        said = item.get("content") or item["summary"]
        told = {"type": kind, "raw": bool(item.get("content")), "text": "\n\n".join(part["text"] for part in said)}
        if not item.get("content"):
            told["id"], told["sealed"] = item.get("id"), item.get("encrypted_content")
        return told
    if kind in ("function_call", "custom_tool_call") and not item.get("namespace"):
        return {name: value for name, value in item.items() if name not in ("id", "status")}
    if kind in ("function_call_output", "custom_tool_call_output"):
        told = {name: value for name, value in item.items() if name not in ("id", "status")}
        if isinstance(told["output"], list):
            told["output"] = [_part(part) for part in told["output"]]
        return told
    return item


def _part(part: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in part.items() if value not in (None, []) and name != "logprobs"}
    if told["type"] in _TEXTS:
        told["type"] = "text"
    return told


def _merged(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two messages of the assistant in a row are one turn."""
    merged: list[dict[str, Any]] = []
    for item in items:
        said = item["type"] == "message" and item["role"] == "assistant"
        if said:
            item = {**item, "content": [part for part in item["content"] if part.get("text") != ""]}
        if said and merged and merged[-1]["type"] == "message" and merged[-1]["role"] == "assistant":
            merged[-1]["content"] += item["content"]
        elif not said or item["content"]:
            merged.append(item)  # an assistant that said nothing has no turn
    return merged


def _without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_nulls(inner) if isinstance(inner, dict) and name == "format" else inner
        for name, inner in value.items()
        if inner is not None
    }
