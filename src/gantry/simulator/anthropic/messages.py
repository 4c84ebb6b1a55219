"""Messages, whole and streamed, and the count of their tokens."""

from collections.abc import Iterator
from typing import Any

import msgspec

from gantry.simulator.anthropic import requests, signatures
from gantry.simulator.anthropic.blocks import TextBlock, ToolResultBlock
from gantry.simulator.anthropic.bodies import decode
from gantry.simulator.anthropic.catalog import Model, lookup
from gantry.simulator.anthropic.counting import Cache, Input, input_tokens
from gantry.simulator.anthropic.dialogue import check_dialogue
from gantry.simulator.anthropic.stream import told
from gantry.simulator.anthropic.versions import Version, version
from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.faults import Faults
from gantry.simulator.oracle import Ask, Composition, Tool, compose, digest, identifier
from gantry.simulator.routes import Call, Table

# Anthropic's own way to ask for thinking that is redacted, for those who test with the real API.
REDACT = "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING"


class Messages:
    """One account's messages. A `brand` is in all ids where they are served by someone else than Anthropic."""

    def __init__(self, brand: str = "") -> None:
        self._brand = brand
        self._cache = Cache()

    def table(self) -> Table:
        return (("POST", "/v1/messages", self._create), ("POST", "/v1/messages/count_tokens", self._count))

    def _create(self, call: Call) -> Answer:
        return self.answer(decode(requests.MESSAGE, call.request.body), call)

    def answer(self, request: requests.MessageRequest, call: Call) -> Answer:
        """Answer a request that has been read. Raises Refusal."""
        asked = version(call.request.header(b"anthropic-version"))
        return self.respond(request, call, asked)

    def respond(self, request: requests.MessageRequest, call: Call, asked: Version) -> Answer:
        model = _checked(request, call, asked)
        requests.check_sampling(request, model, asked)
        counted = self._cache.count(request)
        composition = compose(_ask(request, call.faults, counted.total))
        message = _message(request, model, composition, call, self._brand)
        if not call.faults.no_usage:
            message["usage"] = _usage(counted, composition, request)
        return told(message, composition) if request.stream else json_answer(message)

    def _count(self, call: Call) -> Answer:
        asked = version(call.request.header(b"anthropic-version"))
        return self.counted(decode(requests.COUNT, call.request.body), call, asked)

    def counted(self, request: requests.Countable, call: Call, asked: Version) -> Answer:
        _checked(request, call, asked)
        return json_answer({"input_tokens": input_tokens(request)})


def _checked(request: requests.Countable, call: Call, asked: Version) -> Model:
    requests.check_beta(request, call.request)
    model = lookup(request.model)
    requests.check_tools(request)
    requests.check_thinking(request, model)
    check_dialogue(request, model, asked)
    return model


def _ask(request: requests.MessageRequest, faults: Faults, tokens: int) -> Ask:
    choice = request.tool_choice
    tools = [tool for tool in request.tools or () if tool.input_schema is not None]
    if isinstance(choice, requests.ToolChoice):
        tools = [tool for tool in tools if tool.name == choice.name]
    elif isinstance(choice, requests.NoChoice):
        tools = []
    form = request.format
    return Ask(
        question=_question(request),
        prompt_tokens=tokens,
        tool_result=_tool_result(request),
        tools=tuple(Tool(tool.name, tool.input_schema or {}) for tool in tools),
        must_call=isinstance(choice, requests.AnyChoice | requests.ToolChoice),
        parallel=not getattr(choice, "disable_parallel_tool_use", False),
        schema=form.schema if form else None,
        think=request.thinks,
        max_tokens=request.max_tokens,
        stop=tuple(request.stop_sequences or ()),
        length=faults.tokens,
        text_bytes=faults.body_bytes,
    )


def _question(request: requests.MessageRequest) -> str:
    for message in reversed(request.messages):
        texts = [block.text for block in message.blocks if isinstance(block, TextBlock)]
        if message.role == "user" and texts:
            return "".join(texts)
    return ""


def _tool_result(request: requests.MessageRequest) -> str | None:
    results = [block for block in request.messages[-1].blocks if isinstance(block, ToolResultBlock)]
    if not results:
        return None
    contents = [[result.content] if isinstance(result.content, str) else result.content or () for result in results]
    return " ".join(
        item if isinstance(item, str) else item.text
        for content in contents
        for item in content
        if isinstance(item, str | TextBlock)
    )


def _message(
    request: requests.MessageRequest, model: Model, composition: Composition, call: Call, brand: str
) -> dict[str, Any]:
    reason, stop = _end(composition)
    refused = call.faults.refusal
    content = [] if refused else list(_content(request, model, composition, brand))
    return {
        "model": request.model if request.model.startswith("sim-") else model.name,
        "id": f"msg_{brand}01" + identifier(digest(call.request.body), length=22),
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": call.faults.finish or ("refusal" if refused else reason),
        "stop_sequence": stop,
        "stop_details": None,
    }


def _content(
    request: requests.MessageRequest, model: Model, composition: Composition, brand: str
) -> Iterator[dict[str, Any]]:
    if composition.thinking:
        thinking = "".join(composition.thinking)
        display = getattr(request.thinking, "display", None) or ("summarized" if model.budgeted else "omitted")
        shown = thinking if display == "summarized" else ""
        if REDACT in _question(request):
            yield {"type": "redacted_thinking", "data": signatures.redact(thinking)}
        else:
            yield {"type": "thinking", "thinking": shown, "signature": signatures.sign(shown)}
    if composition.tokens:
        yield {"type": "text", "text": composition.text}
    for call in composition.calls:
        name = f"toolu_{brand}01" + identifier(call.id, length=22)
        yield {"type": "tool_use", "id": name, "name": call.name, "input": msgspec.json.decode(call.arguments)}


def _end(composition: Composition) -> tuple[str, str | None]:
    if composition.calls:
        return "tool_use", None
    if composition.stopped:
        return "stop_sequence", composition.stopped
    return ("max_tokens" if composition.truncated else "end_turn"), None


def _usage(counted: Input, composition: Composition, request: requests.MessageRequest) -> dict[str, Any]:
    return {
        "input_tokens": counted.fresh,
        "cache_creation_input_tokens": counted.written + counted.written_for_an_hour,
        "cache_read_input_tokens": counted.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": counted.written,
            "ephemeral_1h_input_tokens": counted.written_for_an_hour,
        },
        "output_tokens": composition.output_tokens,
        "output_tokens_details": {"thinking_tokens": len(composition.thinking)},
        "service_tier": "standard",
        "inference_geo": request.inference_geo or "global",
    }
