"""Any answer through the encoders and back: both deliveries say the same, and nothing that has a slot is lost."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw, structs

from gantry.core.chat import (
    ChatAnswer,
    ChatRequest,
    Choice,
    Citation,
    Finish,
    FinishReason,
    Message,
    NativePart,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import assemble, unfold
from gantry.dialects.codec import Asking, Target
from gantry.dialects.responses.codec import RESPONSES

OWN = Dialect.OPENAI_RESPONSES
ASKING = Asking(ChatRequest(dialect=OWN, model="m", messages=()), 1_700_000_000, "id")

FEW = settings(max_examples=60)

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
names = st.text("abcdef_", min_size=1, max_size=8)
counts = st.integers(0, 10_000)
citations = st.builds(lambda start, end: own_citation(start, end), counts, counts)
calls = st.builds(
    ToolCall, id=names, name=names, arguments=words.map(lambda text: json.dumps({"a": text})), custom=st.booleans()
)
seals = st.sampled_from((OWN, Dialect.ANTHROPIC))
thoughts = st.one_of(
    st.builds(Thinking, words, sealed=words, dialect=st.just(OWN), id=names),
    st.builds(Thinking, st.one_of(st.just(""), words), signature=words, dialect=st.just(Dialect.ANTHROPIC)),
    st.builds(Thinking, sealed=words, dialect=st.just(Dialect.ANTHROPIC)),
)
natives = st.just(NativePart(OWN, Raw(b'{"type":"web_search_call","id":"ws"}')))
texts = st.builds(Text, words, st.lists(citations, max_size=2).map(tuple))
parts: st.SearchStrategy[tuple[Part, ...]] = st.lists(
    st.one_of(texts, st.builds(Refusal, words), calls, thoughts, natives), max_size=6
).map(tuple)
finishes = st.sampled_from((FinishReason.STOP, FinishReason.LENGTH, FinishReason.CONTENT_FILTER))
usages = st.builds(
    Usage,
    input_tokens=st.integers(10_000, 20_000),
    output_tokens=st.integers(10_000, 20_000),
    cached_input_tokens=st.integers(0, 5000),
    cache_write_tokens=st.integers(0, 5000),
    reasoning_tokens=counts,
    total_tokens=st.integers(50_000, 60_000),
)


def own_citation(start: int, end: int) -> Citation:
    source = b'{"type":"url_citation","url":"u","title":"t","start_index":%d,"end_index":%d}' % (start, end)
    return Citation("u", "t", None, start, end, OWN, Raw(source))


@st.composite
def answers(draw: st.DrawFn) -> ChatAnswer:
    said = draw(parts)
    reason = draw(finishes)
    raw = {FinishReason.LENGTH: "max_output_tokens", FinishReason.CONTENT_FILTER: "content_filter"}.get(reason)
    if reason is FinishReason.STOP:
        reason = FinishReason.TOOL_CALLS if any(isinstance(part, ToolCall) for part in said) else reason
        raw = "completed"
    return ChatAnswer(
        dialect=OWN,
        id="resp_1",
        model=draw(names),
        created=draw(counts),
        choices=(Choice(0, said, Finish(reason, raw)),),
        usage=draw(usages),
        service_tier="default",
    )


@FEW
@given(answers())
def test_an_answer_comes_back_as_it_was(answer: ChatAnswer) -> None:
    assert RESPONSES.decode_answer(RESPONSES.encode_answer(answer, ASKING)) == answer


@FEW
@given(answers(), st.integers(1, 400))
def test_a_stream_comes_back_as_it_was(answer: ChatAnswer, size: int) -> None:
    encoder = RESPONSES.stream_encoder(ASKING)
    sent = b"".join(encoder.feed([event]) for event in unfold(answer))
    decoder = RESPONSES.stream_decoder()
    events = []
    for start in range(0, len(sent), size):
        events += decoder.feed(sent[start : start + size])
    assert without_ids(assemble(OWN, events + decoder.close())) == without_ids(answer)


@FEW
@given(answers())
def test_both_deliveries_tell_the_same(answer: ChatAnswer) -> None:
    encoder = RESPONSES.stream_encoder(ASKING)
    last = encoder.feed(unfold(answer)).rstrip().rpartition(b"data: ")[2]
    whole = json.loads(RESPONSES.encode_answer(answer, ASKING))
    assert unnamed(json.loads(last)["response"]) == unnamed(whole)


@FEW
@given(answers())
def test_what_was_answered_can_be_given_back(answer: ChatAnswer) -> None:
    """A client that sends the output back as input says what was said."""
    output = json.loads(RESPONSES.encode_answer(answer, ASKING))["output"]
    request = RESPONSES.decode_request(json.dumps({"model": "m", "input": output}).encode())
    said = answer.choices[0].parts
    assert [normal(message) for message in request.messages] == (
        [normal(Message(Role.ASSISTANT, said))] if said else []
    )


@FEW
@given(
    st.lists(st.tuples(parts, st.lists(st.builds(ToolResult, names, st.tuples(st.builds(Text, words))), max_size=2)))
)
def test_a_history_comes_back_as_it_was(turns: list[tuple[tuple[Part, ...], list[ToolResult]]]) -> None:
    messages = [Message(Role.USER, (Text("Go."),))]
    for said, results in turns:
        if said:
            messages.append(
                Message(Role.ASSISTANT, tuple(part for part in said if not is_foreign(part)) or (Text("a"),))
            )
        messages.append(Message(Role.TOOL, tuple(results)) if results else Message(Role.USER, (Text("Go on."),)))
    request = ChatRequest(dialect=OWN, model="m", messages=tuple(messages))
    encoded = RESPONSES.encode_request(request, Target("m"))
    assert RESPONSES.decode_request(encoded.body) == ChatRequest(dialect=OWN, model="m", messages=joined(messages))


def joined(messages: list[Message]) -> tuple[Message, ...]:
    """Tool turns that follow each other are one."""
    found: list[Message] = []
    for message in messages:
        if found and found[-1].role is message.role is Role.TOOL:
            found[-1] = Message(Role.TOOL, found[-1].parts + message.parts)
        else:
            found.append(message)
    return tuple(found)


def is_foreign(part: Part) -> bool:
    return isinstance(part, Thinking) and part.dialect is not OWN


def normal(message: Message) -> Any:
    """The raw form of a citation is written anew by a client."""
    return Message(
        message.role,
        tuple(
            structs.replace(part, citations=tuple(structs.replace(one, raw=None) for one in part.citations))
            if isinstance(part, Text)
            else NativePart(OWN, Raw(json.dumps(json.loads(bytes(part.raw))).encode()))
            if isinstance(part, NativePart)
            else part
            for part in message.parts
        ),
    )


def without_ids(answer: ChatAnswer) -> ChatAnswer:
    """A reasoning's own id comes at its end, when the client was told another."""
    [choice] = answer.choices
    unnamed = tuple(structs.replace(part, id=None) if isinstance(part, Thinking) else part for part in choice.parts)
    return structs.replace(answer, choices=(structs.replace(choice, parts=unnamed),))


def unnamed(response: dict[str, Any]) -> dict[str, Any]:
    return {**response, "output": [{**item, "id": None} for item in response["output"]]}
