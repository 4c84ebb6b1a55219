"""Canonical requests and answers at random, for the laws that every chat codec keeps.

What only some formats have a slot for is asked for by name, so that a codec's tests say what it keeps.
"""

import string

from hypothesis import strategies as st
from msgspec import Raw

from gantry.core.chat import (
    AnswerFormat,
    ChatAnswer,
    ChatRequest,
    Choice,
    Finish,
    FinishReason,
    FormatKind,
    FunctionTool,
    Media,
    MediaKind,
    Message,
    Part,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
)
from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Dialect

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
# Nine letters and digits are an id in every format.
CALL_IDS = st.text(string.ascii_letters + string.digits, min_size=9, max_size=9)
ARGUMENTS = st.sampled_from(('{"city":"Zürich"}', '{"a":[1,2.5,null]}', "{}", '{"nested":{"quote":"\\"\\n"}}'))
IMAGE = Media(MediaKind.IMAGE, "image/png", data="iVBORw0KGgo=")


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Return usage whose counts fit together, or none."""
    if draw(st.booleans()):
        return NO_USAGE
    cached = draw(st.none() | st.integers(0, 1000))
    reasoning = draw(st.none() | st.integers(0, 1000))
    given = draw(st.integers(1, 1000)) + (cached or 0)
    said = draw(st.integers(1, 1000)) + (reasoning or 0)
    return Usage(
        input_tokens=given,
        cached_input_tokens=cached,
        output_tokens=said,
        reasoning_tokens=reasoning,
        total_tokens=given + said,
    )


@st.composite
def answer_parts(draw: st.DrawFn, *, thinking: bool) -> tuple[Part, ...]:
    """Return what an answer says, in the order that every format can say it: thoughts, text, calls."""
    parts: list[Part] = []
    if thinking and draw(st.booleans()):
        parts.append(Thinking(draw(TEXTS)))
    if draw(st.booleans()):
        parts.append(Text(draw(TEXTS)))
    ids = draw(st.lists(CALL_IDS, max_size=3, unique=True))
    parts += [ToolCall(one, draw(NAMES), draw(ARGUMENTS)) for one in ids]
    return tuple(parts)


@st.composite
def answers(draw: st.DrawFn, dialect: Dialect, *, thinking: bool = True, choices: int = 1) -> ChatAnswer:
    """Return an answer that ended, with what every format can say."""
    listed = []
    for index in range(draw(st.integers(1, choices))):
        parts = draw(answer_parts(thinking=thinking))
        calls = any(isinstance(part, ToolCall) for part in parts)
        reason = FinishReason.TOOL_CALLS if calls else draw(st.sampled_from((FinishReason.STOP, FinishReason.LENGTH)))
        listed.append(Choice(index, parts, Finish(reason)))
    return ChatAnswer(
        dialect=dialect,
        id=draw(st.from_regex(r"[a-zA-Z0-9_-]{1,24}", fullmatch=True)),
        model="a-model",
        created=draw(st.integers(1, 2**31)),
        choices=tuple(listed),
        usage=draw(usages()),
    )


@st.composite
def conversations(draw: st.DrawFn, *, images: bool = False) -> tuple[Message, ...]:
    """Return turns in an order that every format takes, each call with its result."""
    messages: list[Message] = []
    if draw(st.booleans()):
        messages.append(Message(Role.SYSTEM, (Text(draw(TEXTS)),)))
    ids = draw(st.lists(CALL_IDS, max_size=4, unique=True))
    for _ in range(draw(st.integers(0, 2))):
        messages.append(Message(Role.USER, (Text(draw(TEXTS)),)))
        calls = [ToolCall(ids.pop(), draw(NAMES), draw(ARGUMENTS)) for _ in range(draw(st.integers(0, len(ids))))]
        messages.append(Message(Role.ASSISTANT, (Text(draw(TEXTS)), *calls)))
        messages += [Message(Role.TOOL, (ToolResult(call.id, (Text(draw(TEXTS)),)),)) for call in calls]
        if calls:
            messages.append(Message(Role.ASSISTANT, (Text(draw(TEXTS)),)))
    asked: list[Part] = [Text(draw(TEXTS))]
    if images and draw(st.booleans()):
        asked.append(IMAGE)
    messages.append(Message(Role.USER, tuple(asked)))
    return tuple(messages)


@st.composite
def requests(draw: st.DrawFn, dialect: Dialect, *, images: bool = False) -> ChatRequest:
    """Return a request with what most formats can say."""
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    schema = Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}')
    tools: tuple[Tool, ...] = tuple([FunctionTool(name, draw(TEXTS), schema) for name in names])
    choice = None
    if names and draw(st.booleans()):
        choice = draw(
            st.sampled_from((ToolChoice(ToolMode.AUTO), ToolChoice(ToolMode.REQUIRED), ToolChoice(ToolMode.NONE)))
            | st.sampled_from(names).map(lambda name: ToolChoice(ToolMode.REQUIRED, (name,)))
        )
    form = None if names else draw(st.none() | st.just(AnswerFormat(FormatKind.JSON_SCHEMA, schema, "shape")))
    return ChatRequest(
        dialect=dialect,
        model="a-model",
        messages=draw(conversations(images=images)),
        stream=draw(st.booleans()),
        tools=tools,
        tool_choice=choice,
        format=form,
        max_tokens=draw(st.none() | st.integers(1, 4096)),
        temperature=draw(st.none() | st.sampled_from((0.0, 0.25, 1.0))),
        top_p=draw(st.none() | st.sampled_from((0.5, 1.0))),
        stop=draw(st.sampled_from(((), ("END",), ("a", "b")))),
    )
