"""Random canonical answers, as far as Anthropic's format has slots for them."""

import json

from hypothesis import strategies as st
from msgspec import Raw

from gantry.core.chat import (
    ChatAnswer,
    Choice,
    Citation,
    Finish,
    FinishReason,
    NativePart,
    Part,
    Text,
    Thinking,
    ToolCall,
)
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect

_words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_names = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=8)
_arguments = st.dictionaries(_words, st.integers() | _words | st.none(), max_size=3).map(json.dumps)
_counts = st.integers(0, 10_000)


def _citation(words: tuple[str, str]) -> Citation:
    raw = {"type": "web_search_result_location", "url": words[0], "cited_text": words[1], "encrypted_index": "e"}
    return Citation(words[0], None, words[1], dialect=Dialect.ANTHROPIC, raw=Raw(json.dumps(raw).encode()))


def _native(words: tuple[str, str]) -> NativePart:
    block = {"type": "search_" + words[0], "tool_use_id": words[1], "content": [{"a": None}]}
    return NativePart(Dialect.ANTHROPIC, Raw(json.dumps(block, separators=(",", ":"), ensure_ascii=False).encode()))


_citations = st.lists(st.tuples(_words, _words).map(_citation), max_size=2).map(tuple)
_parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, _words, _citations),
    st.builds(Thinking, _words),
    st.builds(Thinking, _words | st.just(""), _words, dialect=st.just(Dialect.ANTHROPIC)),
    st.builds(Thinking, sealed=_words, dialect=st.just(Dialect.ANTHROPIC)),
    st.builds(Thinking, _words, _words, dialect=st.just(Dialect.GEMINI)),
    st.builds(Thinking, _words | st.just(""), sealed=_words, dialect=st.just(Dialect.OPENAI_RESPONSES), id=_words),
    st.builds(ToolCall, _names, _names, _arguments),
    st.tuples(_names, _names).map(_native),
)
_ends = st.sampled_from(
    [
        Finish(FinishReason.STOP, "end_turn"),
        Finish(FinishReason.STOP_SEQUENCE, "stop_sequence", "END"),
        Finish(FinishReason.LENGTH, "max_tokens"),
        Finish(FinishReason.CONTEXT, "model_context_window_exceeded"),
        Finish(FinishReason.REFUSAL, "refusal"),
        Finish(FinishReason.PAUSE, "pause_turn"),
    ]
)


@st.composite
def answers(draw: st.DrawFn) -> ChatAnswer:
    parts = tuple(draw(st.lists(_parts, max_size=5)))
    finish = draw(_ends)
    if finish.reason is FinishReason.STOP and any(isinstance(part, ToolCall) for part in parts):
        finish = Finish(FinishReason.TOOL_CALLS, "tool_use")
    fresh, cached, written = draw(_counts), draw(_counts), draw(_counts)
    usage = Usage(
        input_tokens=fresh + cached + written,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        output_tokens=draw(_counts),
        reasoning_tokens=draw(st.none() | _counts),
    )
    return ChatAnswer(
        dialect=Dialect.ANTHROPIC,
        id="msg_" + draw(_names),
        model=draw(_words),
        choices=(Choice(0, parts, finish),),
        usage=usage,
        service_tier=draw(st.sampled_from([None, "standard", "priority", "batch"])),
    )
