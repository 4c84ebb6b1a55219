"""The canonical chat as a Converse request.

Law: what Converse has a field for goes there; what only the model's maker has a word for goes into
`additionalModelRequestFields` by the model's family. A request that was Bedrock's own keeps its own of these.
"""

import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.chat import (
    AnswerFormat,
    ChatRequest,
    FormatKind,
    FunctionTool,
    NativeTool,
    Tool,
    ToolChoice,
    ToolMode,
)
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.bedrock.blocks import cache_point
from gantry.dialects.bedrock.families import family_of
from gantry.dialects.bedrock.model_fields import ModelFields
from gantry.dialects.bedrock.turns import Turns
from gantry.dialects.caller_names import caller_name
from gantry.dialects.changes import Change, clamped, converted, defaulted, dropped, each_once
from gantry.dialects.codec import EncodedRequest, Target
from gantry.dialects.foreign import drop_extra, refuse_tool
from gantry.dialects.instructions import ANY_JSON, instructed
from gantry.dialects.members import UNREADABLE, asks_nothing, decode_members

_ANY_OBJECT: Final = Raw(b'{"type":"object","properties":{}}')
_METADATA: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_TIERS: Final = frozenset(("priority", "default", "flex", "reserved"))
_UNSAYABLE: Final = (
    "min_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "verbosity",
    "user",
    "cache_key",
)
_decode_metadata: Final = msgspec.json.Decoder(dict[str, str]).decode
_encode: Final = msgspec.json.Encoder().encode


def encode_request(request: ChatRequest, target: Target) -> EncodedRequest:
    """Return a Converse request for a model. Raises InvalidRequest for what cannot be said."""
    encoding = _Encoding(request, target)
    return EncodedRequest(_encode(encoding.body()), each_once(encoding.changes))


class _Encoding:
    __slots__ = ("_family", "_request", "_target", "_turns", "changes")

    def __init__(self, request: ChatRequest, target: Target) -> None:
        self._request = request
        self._target = target
        self._family = family_of(target.model)
        self._turns = Turns(request, takes_signed=self._family.signs)
        self.changes: list[Change] = self._turns.changes

    def body(self) -> dict[str, Any]:
        request = self._request
        self._refuse()
        body: dict[str, Any] = {"messages": self._turns.messages()}
        output = self._output_config()
        if self._turns.system:
            body["system"] = self._turns.system
        tools = self._tool_config()
        if tools:
            body["toolConfig"] = tools
        fields = ModelFields(request, self._family, self._target, self.changes)
        inference = self._inference(fields)
        if inference:
            body["inferenceConfig"] = inference
        if fields.fields:
            body["additionalModelRequestFields"] = fields.fields
        if output:
            body["outputConfig"] = output
        self._add_metadata(body)
        self._add_tier(body)
        self._drop_rest(body)
        return body

    def _name(self, parameter: str) -> str:
        return caller_name(self._request.dialect, parameter)

    def _refuse(self) -> None:
        request = self._request
        for parameter, asked, why in (
            ("choices", request.choices > 1, "gives one answer to a request"),
            ("logprobs", request.logprobs or request.top_logprobs is not None, "tells no log probabilities"),
        ):
            if asked:
                name = self._name(parameter)
                raise InvalidRequest(f"`{name}`: this model's provider {why}; leave it out", param=name)

    def _inference(self, fields: ModelFields) -> dict[str, Any]:
        request = self._request
        values: dict[str, Any] = {}
        if fields.max_tokens is not None:
            values["maxTokens"] = fields.max_tokens
        if fields.temperature is not None:
            values["temperature"] = self._at_most_one("temperature", fields.temperature)
        if fields.top_p is not None:
            values["topP"] = fields.top_p
        if request.stop:
            values["stopSequences"] = request.stop
        return values | self._own_rest("inferenceConfig")

    def _at_most_one(self, parameter: str, value: float) -> float:
        if value <= 1:
            return value
        self.changes.append(clamped(self._name(parameter), 1))
        return 1

    def _own_rest(self, name: str) -> dict[str, Raw]:
        raw = self._request.extra.get(name) if self._request.dialect is Dialect.BEDROCK else None
        return {} if raw is None else decode_members(raw)

    def _output_config(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        wanted = self._request.format
        if wanted is not None:
            if wanted.kind is FormatKind.JSON_SCHEMA and wanted.schema is not None:
                values["textFormat"] = _text_format(wanted)
            elif wanted.kind is not FormatKind.TEXT:
                self._turns.system.append({"text": ANY_JSON})
                self.changes.append(instructed(self._name("format")))
        return values | self._own_rest("outputConfig")

    def _tool_config(self) -> dict[str, Any]:
        choice = self._request.tool_choice
        tools: list[Any] = []
        for number, tool in enumerate(self._offered(choice)):
            tools += self._tool(tool, number)
        if not tools and self._turns.used_tools:
            # Converse refuses a conversation that calls tools and offers none.
            tools = [_tool_spec(FunctionTool(name)) for name in self._turns.used_tools]
            self.changes.append(defaulted(self._name("tools"), "to the tools that were called before"))
        if not tools:
            return {}
        config: dict[str, Any] = {"tools": tools}
        chosen = self._choice(choice)
        if chosen:
            config["toolChoice"] = chosen
        if self._request.parallel_tool_calls is False:
            self.changes.append(dropped("parallel_tool_calls"))
        return config

    def _offered(self, choice: ToolChoice | None) -> tuple[Tool, ...]:
        tools = self._request.tools
        if choice is None or not tools:
            return tools
        if choice.mode is ToolMode.NONE:
            if self._turns.used_tools:
                self.changes.append(dropped(self._name("tool_choice"), "not in a conversation that used tools"))
                return tools
            self.changes.append(converted(self._name("tool_choice"), "to an offer of no tools"))
            return ()
        if not choice.names or (choice.mode is ToolMode.REQUIRED and len(choice.names) == 1):
            return tools
        self.changes.append(converted(self._name("tool_choice"), "to an offer of the named tools alone"))
        return tuple(tool for tool in tools if not isinstance(tool, FunctionTool) or tool.name in choice.names)

    def _choice(self, choice: ToolChoice | None) -> dict[str, Any]:
        if choice is None or choice.mode is ToolMode.NONE:
            return {}
        if choice.mode is ToolMode.AUTO:
            return {"auto": {}}
        return {"tool": {"name": choice.names[0]}} if len(choice.names) == 1 else {"any": {}}

    def _tool(self, tool: Tool, number: int) -> list[Any]:
        where = f"{self._name('tools')}[{number}]"
        if isinstance(tool, NativeTool):
            if tool.dialect is Dialect.BEDROCK:
                return [tool.raw]
            raise refuse_tool(tool, where)
        strict = self._request.dialect is Dialect.BEDROCK and tool.strict is not None
        if tool.strict and not strict:
            self.changes.append(dropped(f"{where}.strict", "not every model of the provider takes it"))
        spec = _tool_spec(tool, strict=strict)
        return [spec] if tool.cache is None else [spec, cache_point(tool.cache)]

    def _add_metadata(self, body: dict[str, Any]) -> None:
        raw = self._request.metadata
        if raw is None or asks_nothing(raw):
            return
        try:
            values = _decode_metadata(raw)
        except UNREADABLE:
            values = {}
        if values and all(_METADATA.fullmatch(text) for pair in values.items() for text in pair):
            body["requestMetadata"] = values
        else:
            self.changes.append(dropped(self._name("metadata"), "the provider takes short plain texts only"))

    def _add_tier(self, body: dict[str, Any]) -> None:
        tier = self._request.service_tier
        if tier is None or tier == "auto":
            return
        if tier in _TIERS or self._request.dialect is Dialect.BEDROCK:
            body["serviceTier"] = {"type": tier}
        else:
            self.changes.append(dropped(self._name("service_tier"), "not a tier of the provider's"))

    def _drop_rest(self, body: dict[str, Any]) -> None:
        request = self._request
        for parameter in _UNSAYABLE:
            if getattr(request, parameter) is not None:
                self.changes.append(dropped(self._name(parameter)))
        if request.dialect is Dialect.BEDROCK:
            for name, raw in request.extra.items():
                body.setdefault(name, raw)
        else:
            drop_extra(request, self.changes)


def _text_format(wanted: AnswerFormat) -> dict[str, Any]:
    schema: dict[str, Any] = {"schema": bytes(wanted.schema or b"").decode()}
    if wanted.name is not None:
        schema["name"] = wanted.name
    if wanted.description is not None:
        schema["description"] = wanted.description
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}


def _tool_spec(tool: FunctionTool, *, strict: bool = False) -> dict[str, Any]:
    spec: dict[str, Any] = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    spec["inputSchema"] = {"json": _ANY_OBJECT if tool.schema is None else tool.schema}
    if strict:
        spec["strict"] = tool.strict
    return {"toolSpec": spec}
