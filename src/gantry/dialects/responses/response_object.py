"""The response object around the output: who answers, the parameters echoed from the request, and how it ended.

Law: every member that the official SDKs' models name is there, with the value the API has when nothing was asked.
"""

from typing import Any, Final

from msgspec import Raw

from gantry.core.chat import (
    ChatRequest,
    Choice,
    Finish,
    FinishReason,
    FormatKind,
    FunctionTool,
    NativeTool,
    Refusal,
    Role,
    Text,
    ToolMode,
)
from gantry.core.usage import Usage
from gantry.dialects.members import asks_nothing
from gantry.dialects.responses.items import OWN
from gantry.dialects.responses.tools import custom_names, write_tool_choice
from gantry.dialects.responses.usage import usage_fields
from gantry.dialects.tool_terms import plain_tool_id

_KEPT: Final = (
    "background",
    "conversation",
    "max_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "truncation",
)
_TIERS: Final = frozenset(("auto", "default", "flex", "scale", "priority", "fast", "ultrafast"))
_LIMIT: Final = {"reason": "max_output_tokens"}
_INCOMPLETE: Final[dict[FinishReason, Any]] = {
    FinishReason.LENGTH: _LIMIT,
    FinishReason.CONTEXT: _LIMIT,
    FinishReason.CONTENT_FILTER: {"reason": "content_filter"},
    FinishReason.REFUSAL: {"reason": "content_filter"},
}


class Ending:
    """How a response ended: its status, and what was missing or wrong."""

    __slots__ = ("details", "error", "status")

    def __init__(self, status: str, details: Any = None, error: Any = None) -> None:
        self.status = status
        self.details = details
        self.error = error


def ending_of(finish: Finish | None, *, refused: bool = False) -> Ending:
    """Return the ending of an answer; `refused`: it says so itself, and is whole."""
    if finish is None:
        return Ending("incomplete")
    if finish.reason is FinishReason.ERROR:
        error = {"code": "server_error", "message": f"the provider ended the answer with {finish.raw or 'an error'}"}
        return Ending("failed", error=error)
    if finish.reason is FinishReason.OTHER and finish.raw == "incomplete":
        return Ending("incomplete")  # as this format says it without a reason
    details = _INCOMPLETE.get(finish.reason)
    if details is None or (refused and finish.reason is FinishReason.REFUSAL):
        return Ending("completed")
    return Ending("incomplete", details)


def refuses(choice: Choice) -> bool:
    return any(isinstance(part, Refusal) for part in choice.parts)


def response_id(given: str | None, minted: str) -> str:
    """Return the id of a response: its provider's where it is one, else ours."""
    return given if given and given.startswith("resp_") else f"resp_{plain_tool_id(minted).removeprefix('resp_')}"


class ResponseObject:
    """What is the same in a response from its beginning to its end."""

    __slots__ = ("_echo", "_head", "id")

    def __init__(
        self, response_id: str, created: int, model: str, service_tier: str | None, request: ChatRequest
    ) -> None:
        self.id = response_id
        self._head = {"id": response_id, "object": "response", "created_at": created}
        self._echo = {"model": model, **_echo(request), "service_tier": _tier(service_tier)}

    def begun(self) -> dict[str, Any]:
        return self._whole("in_progress", [], Ending("in_progress"), None)

    def ended(self, output: list[Any], ending: Ending, usage: Usage) -> dict[str, Any]:
        return self._whole(ending.status, output, ending, usage_fields(usage))

    def _whole(self, status: str, output: list[Any], ending: Ending, usage: dict[str, Any] | None) -> dict[str, Any]:
        return {
            **self._head,
            "status": status,
            "error": ending.error,
            "incomplete_details": ending.details,
            **self._echo,
            "output": output,
            "usage": usage,
        }


def _tier(service_tier: str | None) -> str | None:
    """Return a tier by this format's words; null for one of another provider's own."""
    if service_tier is None or service_tier == "standard":
        return "default"
    return service_tier if service_tier in _TIERS else None


def _echo(request: ChatRequest) -> dict[str, Any]:
    own = request.dialect is OWN
    extra = request.extra if own else {}
    kept: dict[str, Any] = {name: extra.get(name) for name in _KEPT}
    kept["background"] = kept["background"] or False
    kept["store"] = True if kept["store"] is None else kept["store"]
    kept["truncation"] = kept["truncation"] or "disabled"
    choice = request.tool_choice
    named = ToolMode.AUTO if choice is None else write_tool_choice(choice, custom_names(request.tools))
    return {
        "instructions": _instructions(request),
        "max_output_tokens": request.max_tokens,
        "metadata": {} if request.metadata is None else request.metadata,
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "prompt_cache_key": request.cache_key,
        "reasoning": _reasoning(request),
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": _text(request),
        "tool_choice": extra.get("tool_choice", named),
        "tools": [_tool(tool) for tool in request.tools],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "user": request.user,
        **kept,
    }


def _instructions(request: ChatRequest) -> str | None:
    if "instructions" not in request.extra or not asks_nothing(request.extra["instructions"]):
        return None
    first = request.messages[0] if request.messages else None
    if first is None or first.role is not Role.SYSTEM:
        return None
    return "".join(part.text for part in first.parts if isinstance(part, Text))


def _reasoning(request: ChatRequest) -> dict[str, Any]:
    asked = request.reasoning
    return {"effort": None, "summary": None} if asked is None else {"effort": asked.effort, "summary": asked.summary}


def _text(request: ChatRequest) -> dict[str, Any]:
    form = request.format
    written: dict[str, Any] = {"type": "text"}
    if form is not None and form.kind is FormatKind.JSON:
        written = {"type": "json_object"}
    elif form is not None and form.kind is FormatKind.JSON_SCHEMA:
        written = {
            "type": "json_schema",
            "name": form.name or "answer",
            "description": form.description,
            "schema": form.schema,
            "strict": bool(form.strict),
        }
    return {"format": written, "verbosity": request.verbosity or "medium"}


def _tool(tool: FunctionTool | NativeTool) -> dict[str, Any] | Raw:
    if isinstance(tool, NativeTool):
        return tool.raw
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.schema,
        "strict": tool.strict is not False,
    }
