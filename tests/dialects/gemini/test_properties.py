"""Any answer comes back from its writing, whole and streamed, as far as the format has slots."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gantry.core.chat import (
    ChatAnswer,
    ChatRequest,
    Choice,
    Citation,
    Finish,
    FinishReason,
    Media,
    MediaKind,
    Part,
    Reasoning,
    Text,
    Thinking,
    ToolCall,
)
from gantry.core.chat_events import AnswerEnded, AnswerFailed
from gantry.core.errors import InvalidRequest, UpstreamBroke
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import assemble, unfold
from gantry.dialects.codec import Asking, Target
from gantry.dialects.gemini.codec import GEMINI

ASKED = ChatRequest(dialect=Dialect.GEMINI, model="m", messages=(), reasoning=Reasoning(shown=True))
ASKING = Asking(ASKED, created=1, id="minted")
FINISHES = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "MALFORMED_FUNCTION_CALL": FinishReason.ERROR,
}

FIELDS = """contents parts text role thought thoughtSignature functionCall functionResponse name args response id
inlineData fileData data mimeType fileUri tools functionDeclarations parameters toolConfig functionCallingConfig mode
systemInstruction generationConfig candidates content finishReason index usageMetadata promptTokenCount error message
code details groundingMetadata groundingChunks groundingSupports segment endIndex startIndex web uri logprobsResult
chosenCandidates promptFeedback blockReason partialArgs jsonPath stringValue willContinue responseSchema type nullable
properties anyOf items thinkingConfig thinkingBudget topK seed stopSequences citationMetadata citationSources""".split()

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
signatures = st.text("abc=", min_size=1, max_size=4)
json_objects = st.dictionaries(words, st.integers() | words | st.none(), max_size=3)


@st.composite
def texts(draw: st.DrawFn) -> Text:
    text = draw(words)
    start = draw(st.integers(0, len(text) - 1))
    end = draw(st.integers(start + 1, len(text)))
    return draw(st.sampled_from([Text(text), Text(text, (Citation("https://e.com/" + text, "t", None, start, end),))]))


thoughts = st.builds(Thinking, words) | st.builds(
    lambda text, signature: Thinking(text, signature=signature, dialect=Dialect.GEMINI), words, signatures
)
calls = st.builds(
    lambda call_id, name, arguments, signature: ToolCall(call_id, name, arguments, signature=signature),
    words,
    words,
    json_objects.map(lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False)),
    st.none() | signatures,
)
media = st.builds(lambda data: Media(MediaKind.IMAGE, mime="image/png", data=data), st.text("abcd", min_size=4))
seals = st.builds(lambda signature: Thinking(sealed=signature, dialect=Dialect.GEMINI), signatures)


def joins(before: Part, part: Part) -> bool:
    """Say whether two parts side by side are one when they are read again."""
    if isinstance(before, Thinking) and isinstance(part, Thinking):
        return before.signature is None
    return isinstance(before, Text) and isinstance(part, Text)


def words_of(part: Text) -> str:
    """Return what of a text its sources are of; all of it where there are none."""
    return part.text[part.citations[0].start : part.citations[0].end] if part.citations else part.text


@st.composite
def parts(draw: st.DrawFn) -> tuple[Part, ...]:
    """Parts as Gemini can say them: no two texts or open thoughts side by side, and a seal only on what it seals.

    A source names the words that it is of, and not the part, so they stand in no text before.
    """
    found: list[Part] = []
    cited = False
    for part in draw(st.lists(texts() | thoughts | calls | media, max_size=5)):
        if isinstance(part, Text):
            if cited or any(words_of(part) in before.text for before in found if isinstance(before, Text)):
                part = Text(part.text)
            cited = cited or bool(part.citations)
        sealed = isinstance(part, Text | Media) and draw(st.booleans())
        if sealed:
            found.append(draw(seals))
        elif found and joins(found[-1], part):
            continue
        found.append(part)
    return tuple(found)


@st.composite
def answers(draw: st.DrawFn) -> ChatAnswer:
    choices = []
    for index in range(draw(st.integers(1, 2))):
        said = draw(parts())
        word = draw(st.sampled_from(sorted(FINISHES)))
        reason = FINISHES[word]
        if reason is FinishReason.STOP and any(isinstance(part, ToolCall) for part in said):
            reason = FinishReason.TOOL_CALLS
        choices.append(Choice(index, said, Finish(reason, word)))
    made, thought = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    given_ = draw(st.integers(0, 9))
    usage = Usage(
        input_tokens=given_,
        output_tokens=made + thought,
        reasoning_tokens=thought,
        total_tokens=given_ + made + thought,
    )
    return ChatAnswer(
        dialect=Dialect.GEMINI, id="r", model="gemini", created=1_700_000_000, choices=tuple(choices), usage=usage
    )


def slots(answer: ChatAnswer) -> Any:
    """Return what Gemini has slots for: of a source without bytes of its own, its place and its address."""
    told = []
    for choice in answer.choices:
        said: list[Any] = []
        for part in choice.parts:
            if isinstance(part, Text):
                said.append((part.text, [(cite.url, cite.title, cite.start, cite.end) for cite in part.citations]))
            else:
                said.append(part)
        told.append((choice.index, said, choice.finish))
    return answer.id, answer.model, answer.created, answer.usage, told


@settings(max_examples=150, deadline=None)
@given(answers())
def test_an_answer_comes_back_from_its_writing(answer: ChatAnswer) -> None:
    assert slots(GEMINI.decode_answer(GEMINI.encode_answer(answer, ASKING))) == slots(answer)


@settings(max_examples=150, deadline=None)
@given(answers(), st.integers(1, 5), st.integers(1, 64))
def test_an_answer_comes_back_from_its_stream(answer: ChatAnswer, together: int, size: int) -> None:
    events = unfold(answer)
    encoder = GEMINI.stream_encoder(ASKING)
    raw = b"".join(encoder.feed(events[start : start + together]) for start in range(0, len(events), together))
    decoder = GEMINI.stream_decoder()
    found = [event for start in range(0, len(raw), size) for event in decoder.feed(raw[start : start + size])]
    assert slots(assemble(Dialect.GEMINI, [*found, *decoder.close()])) == slots(answer)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=4))
def test_no_body_breaks_a_reader(body: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()
    try:
        GEMINI.encode_request(GEMINI.decode_request(raw), Target("m"))
    except InvalidRequest:
        pass
    try:
        GEMINI.encode_answer(GEMINI.decode_answer(raw), ASKING)
    except UpstreamBroke:
        pass
    assert GEMINI.decode_error(500, raw).message
    decoder = GEMINI.stream_decoder()
    events = [*decoder.feed(b"data: " + raw + b"\n\n"), *decoder.close()]
    assert isinstance(events[-1], AnswerEnded | AnswerFailed)
    assert GEMINI.stream_encoder(ASKING).feed(events)
