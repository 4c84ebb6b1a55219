"""The canonical chat as a request to Cohere's chat."""

from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.chat import ChatRequest, Effort, FormatKind, FunctionTool, NativeTool, Tool, ToolMode
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.caller_names import caller_name
from gantry.dialects.changes import Change, clamped, converted, dropped, each_once
from gantry.dialects.codec import EncodedRequest, Target
from gantry.dialects.cohere.messages import Messages
from gantry.dialects.effort import budget_of
from gantry.dialects.foreign import drop_extra, refuse_tool
from gantry.dialects.members import asks_nothing

_ANY_OBJECT: Final = Raw(b'{"type":"object","properties":{}}')
_MOST_P: Final = 0.99
_LEAST_P: Final = 0.01
_UNSAYABLE: Final = ("min_p", "verbosity", "service_tier", "user", "cache_key")
_encode: Final = msgspec.json.Encoder().encode


def encode_request(request: ChatRequest, target: Target) -> EncodedRequest:
    """Return a request for a model of Cohere's. Raises InvalidRequest for what cannot be said."""
    encoding = _Encoding(request)
    return EncodedRequest(_encode(encoding.body(target.model)), each_once(encoding.changes))


class _Encoding:
    __slots__ = ("_messages", "_request", "changes")

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._messages = Messages(request)
        self.changes: list[Change] = self._messages.changes

    def body(self, model: str) -> dict[str, Any]:
        request = self._request
        self._refuse()
        body: dict[str, Any] = {"model": model, "messages": self._messages.values}
        if request.stream:
            body["stream"] = True
        self._add_tools(body)
        self._add_format(body)
        self._add_thinking(body)
        for name, value in (
            ("max_tokens", request.max_tokens),
            ("stop_sequences", list(request.stop) or None),
            ("temperature", request.temperature),
            ("seed", request.seed),
            ("p", self._within("top_p", request.top_p, _LEAST_P, _MOST_P)),
            ("k", request.top_k),
            ("presence_penalty", self._within("presence_penalty", request.presence_penalty, 0, 1)),
            ("frequency_penalty", self._within("frequency_penalty", request.frequency_penalty, 0, 1)),
            ("logprobs", request.logprobs or None),
        ):
            if value is not None:
                body[name] = value
        self._drop_rest(body)
        return body

    def _name(self, parameter: str) -> str:
        return caller_name(self._request.dialect, parameter)

    def _refuse(self) -> None:
        request = self._request
        asks_logprobs = request.logprobs or request.top_logprobs is not None
        for parameter, asked, why in (
            ("choices", request.choices > 1, "gives one answer to a request"),
            ("logprobs", asks_logprobs and request.dialect is not Dialect.COHERE, "tells log probabilities otherwise"),
        ):
            if asked:
                name = self._name(parameter)
                raise InvalidRequest(f"`{name}`: this model's provider (Cohere) {why}; leave it out", param=name)

    def _within(self, parameter: str, value: float | None, least: float, most: float) -> float | None:
        if value is None or least <= value <= most:
            return value
        nearest = min(max(value, least), most)
        self.changes.append(clamped(self._name(parameter), nearest))
        return nearest

    def _add_tools(self, body: dict[str, Any]) -> None:
        request = self._request
        offered = self._offered()
        tools = [self._tool(tool, number) for number, tool in enumerate(offered)]
        if not tools:
            return
        body["tools"] = tools
        strict = [tool.strict for tool in offered if isinstance(tool, FunctionTool)]
        if strict and all(strict):
            body["strict_tools"] = True
        elif any(strict):
            self.changes.append(dropped(f"{self._name('tools')}[].strict", "the provider takes it for all tools only"))
        elif request.dialect is Dialect.COHERE and False in strict:
            body["strict_tools"] = False
        choice = request.tool_choice
        if choice is not None and choice.mode is not ToolMode.AUTO:
            body["tool_choice"] = choice.mode.upper()
        if request.parallel_tool_calls is False:
            self.changes.append(dropped("parallel_tool_calls"))

    def _offered(self) -> tuple[Tool, ...]:
        choice = self._request.tool_choice
        tools = self._request.tools
        if choice is None or not choice.names:
            return tools
        self.changes.append(converted(self._name("tool_choice"), "to an offer of the named tools alone"))
        return tuple(tool for tool in tools if isinstance(tool, FunctionTool) and tool.name in choice.names)

    def _tool(self, tool: Tool, number: int) -> Any:
        if isinstance(tool, NativeTool):
            if tool.dialect is Dialect.COHERE:
                return tool.raw
            raise refuse_tool(tool, f"{self._name('tools')}[{number}]")
        function: dict[str, Any] = {"name": tool.name}
        if tool.description is not None:
            function["description"] = tool.description
        function["parameters"] = _ANY_OBJECT if tool.schema is None else tool.schema
        return {"type": "function", "function": function}

    def _add_format(self, body: dict[str, Any]) -> None:
        wanted = self._request.format
        if wanted is None:
            return
        if wanted.kind is FormatKind.TEXT:
            body["response_format"] = {"type": "text"}
        elif wanted.schema is None:
            body["response_format"] = {"type": "json_object"}
        else:
            body["response_format"] = {"type": "json_object", "json_schema": wanted.schema}

    def _add_thinking(self, body: dict[str, Any]) -> None:
        reasoning = self._request.reasoning
        if reasoning is None:
            return
        budget = budget_of(reasoning)
        if reasoning.effort is Effort.NONE or budget == 0:
            body["thinking"] = {"type": "disabled"}
        elif budget is not None:
            if reasoning.budget is None:
                self.changes.append(converted(self._name("reasoning"), f"to a budget of {budget} tokens"))
            body["thinking"] = {"type": "enabled", "token_budget": budget}
        elif self._request.dialect in (Dialect.COHERE, Dialect.ANTHROPIC):
            body["thinking"] = {"type": "enabled"}

    def _drop_rest(self, body: dict[str, Any]) -> None:
        request = self._request
        for parameter in _UNSAYABLE:
            if getattr(request, parameter) is not None:
                self.changes.append(dropped(self._name(parameter)))
        if request.metadata is not None and not asks_nothing(request.metadata):
            self.changes.append(dropped(self._name("metadata")))
        if request.cache is not None:
            self.changes.append(dropped(self._name("cache"), "the provider caches by itself"))
        if request.dialect is Dialect.COHERE:
            for name, raw in request.extra.items():
                body.setdefault(name, raw)
        else:
            drop_extra(request, self.changes)
