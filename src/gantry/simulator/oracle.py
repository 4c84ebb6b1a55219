"""What a simulated model says: tokens, tool calls and counts, decided by the question alone.

Law: no clock and no randomness. A dialect turns its request into an `Ask`, and a `Composition` into its answer.
"""

import re
import struct
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import blake2b, shake_128
from itertools import cycle, islice
from math import sqrt
from typing import Any

import msgspec
from msgspec import Struct

from gantry.simulator.instance import instance

DEFAULT_TOKENS = 40
CREATED = 1_790_000_000  # every answer was made at this second
_TOKEN = re.compile(r"\s*\S{1,9}|\s+")
_WRITTEN_CALL = re.compile(r"call ([\w.-]+) with (\{[^{}]*\})")
_FILLER = (
    "The crane rolls along the quay and sets each load down without a sound.",
    "Every wagon is weighed, counted and waved through while it is still moving.",
    "Le portique laisse passer chaque convoi à pleine vitesse, même la nuit. 🏗️",
    "What was carried, for whom and at which price is written down before the gate closes.",
)
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Tool(Struct, frozen=True):
    name: str
    schema: Mapping[str, Any]


class Ask(Struct, frozen=True):
    """A request, as far as the answer depends on it."""

    question: str  # the text of the last user message
    prompt_tokens: int
    tool_result: str | None = None  # the text of the last message, if a tool wrote it
    tools: tuple[Tool, ...] = ()
    must_call: bool = False
    parallel: bool = True
    schema: Mapping[str, Any] | None = None
    json_object: bool = False
    think: bool = False
    prefix: str = ""
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    length: int = 0  # exactly this many tokens, if not 0
    text_bytes: int = 0  # at least this many bytes of text


class Call(Struct, frozen=True):
    id: str
    name: str
    arguments: str


class Composition(Struct, frozen=True):
    """An answer before any dialect."""

    tokens: tuple[str, ...]
    thinking: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    truncated: bool = False
    output_tokens: int = 0
    stopped: str = ""  # the stop sequence that ended it

    @property
    def text(self) -> str:
        return "".join(self.tokens)


def compose(ask: Ask) -> Composition:
    thinking = tuple(tokenize(f"Let me think about {ask.question[:60]!r} step by step.")) if ask.think else ()
    calls = _calls(ask)
    if calls:
        spent = sum(len(tokenize(call.name + call.arguments)) for call in calls)
        return Composition((), thinking, calls, False, spent + len(thinking))
    tokens, stopped = _until_stop(ask, tuple(_tokens(ask)))
    if ask.max_tokens is not None and len(tokens) > ask.max_tokens:
        kept = tokens[: ask.max_tokens]
        return Composition(kept, thinking, (), True, len(kept) + len(thinking))
    return Composition(tokens, thinking, (), False, len(tokens) + len(thinking), stopped)


def tokenize(text: str) -> list[str]:
    """Split a text into pieces of about a token; joined they give the text again."""
    return _TOKEN.findall(text)


def count_tokens(text: str) -> int:
    return (len(text) + 3) // 4


def digest(*parts: str | bytes) -> str:
    """Return 32 hexadecimal digits that depend on the parts alone."""
    state = blake2b(digest_size=16)
    for part in parts:
        state.update(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part)
        state.update(b"\0")
    return state.hexdigest()


def uuid(*parts: str | bytes) -> str:
    """Return a UUID that depends on the parts alone."""
    name = digest(*parts)
    return f"{name[:8]}-{name[8:12]}-4{name[13:16]}-8{name[17:20]}-{name[20:]}"


def identifier(*parts: str, length: int = 9) -> str:
    """Return letters and digits, as the id of a tool call has them."""
    spread = shake_128(digest(*parts).encode()).digest(length)
    return "".join(_ALPHABET[value % len(_ALPHABET)] for value in spread)


def cached_tokens(prompt_tokens: int) -> int:
    """Return how much of a prompt counts as cached: long prompts only, in steps of 64."""
    return (prompt_tokens - 1) // 64 * 64 if prompt_tokens > 128 else 0


def vector(text: str, dimension: int) -> list[float]:
    """Return the unit vector of a text, in half precision as real ones are."""
    raw = shake_128(text.encode("utf-8", "surrogatepass")).digest(2 * dimension)
    numbers = [value / 32768 for value in struct.unpack(f"<{dimension}h", raw)]
    length = sqrt(sum(value * value for value in numbers)) or 1.0
    return [struct.unpack("<e", struct.pack("<e", value / length))[0] for value in numbers]


def _tokens(ask: Ask) -> Iterable[str]:
    if ask.schema is not None:
        return tokenize(msgspec.json.encode(instance(ask.schema)).decode())
    if ask.json_object:
        return tokenize(msgspec.json.encode({"answer": ask.question[:200], "simulated": True}).decode())
    if ask.tool_result is not None:
        opening = f"{ask.prefix}The tool answered: {ask.tool_result[:200]}"
    else:
        opening = f"{ask.prefix}You said: {ask.question[:200]}"
    tokens = tokenize(opening)
    if ask.text_bytes:
        sentence = tokenize(" " + _FILLER[0])
        wanted = max(0, ask.text_bytes - len(opening.encode())) // len(_FILLER[0]) + 1
        return [*tokens, *islice(cycle(sentence), wanted * len(sentence))]
    wanted = ask.length or max(DEFAULT_TOKENS, len(tokens))
    filler = _filler(len(ask.question) % len(_FILLER))
    return [*tokens, *islice(cycle(filler), max(0, wanted - len(tokens)))][:wanted]


@cache
def _filler(start: int) -> tuple[str, ...]:
    return tuple(tokenize(" ".join(("", *_FILLER[start:], *_FILLER[:start]))))


def _until_stop(ask: Ask, tokens: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Return the tokens up to a stop sequence, and which it was."""
    text = "".join(tokens) if ask.stop else ""
    ends = [(place, mark) for place, mark in ((text.find(mark), mark) for mark in ask.stop if mark) if place >= 0]
    if not ends:
        return tokens, ""
    place, mark = min(ends)
    return tuple(tokenize(text[:place])), mark


def _calls(ask: Ask) -> tuple[Call, ...]:
    """Call the tools the question names; the first when one must be called or the question asks for "a tool".

    A question that writes a call out has that one made: `call get_weather with {"city": "Brest"}`.
    """
    if not ask.tools or (ask.tool_result is not None and not ask.must_call):
        return ()
    written = _WRITTEN_CALL.search(ask.question)
    if written is not None and any(tool.name == written[1] for tool in ask.tools):
        return (Call(identifier(ask.question, written[1]), written[1], written[2]),)
    question = ask.question.lower().replace("_", " ")
    chosen = [tool for tool in ask.tools if tool.name.lower().replace("_", " ") in question]
    if not chosen and (ask.must_call or "tool" in question):
        chosen = list(ask.tools[:1])
    if not ask.parallel:
        chosen = chosen[:1]
    return tuple(_call(ask, tool, index) for index, tool in enumerate(chosen))


def _call(ask: Ask, tool: Tool, index: int) -> Call:
    arguments = msgspec.json.encode(instance(tool.schema or {"type": "object"})).decode()
    return Call(identifier(ask.question, tool.name, str(index)), tool.name, arguments)
