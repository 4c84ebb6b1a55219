"""Tokens of a request's input: how many there are, and which of them a cache gave or took.

Law: what a prompt begins with is cached up to its marks, tools first, then the system prompt, then the messages. It is
read again by any later request of the account that begins with the same and has a mark of its own.
Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gantry.simulator.anthropic.blocks import AnyBlock, CacheControl, DocumentBlock, ImageBlock, TextBlock
from gantry.simulator.anthropic.requests import Countable
from gantry.simulator.oracle import count_tokens

_LEAST_CACHED = 1024
_MOST_REMEMBERED = 10_000
_IMAGE, _DOCUMENT = 1_500, 2_000
_PER_MESSAGE = 3


class Input(Struct, frozen=True):
    """The tokens of one input: `fresh` ones, `written` to the cache for 5 minutes or an hour, and `read` from it."""

    fresh: int
    written: int = 0
    written_for_an_hour: int = 0
    read: int = 0

    @property
    def total(self) -> int:
        return self.fresh + self.written + self.written_for_an_hour + self.read


class _Segment(Struct, frozen=True):
    content: bytes
    tokens: int
    mark: CacheControl | None


class Cache:
    """The beginnings of prompts an account has marked."""

    def __init__(self) -> None:
        self._known: dict[bytes, None] = {}

    def count(self, request: Countable) -> Input:
        """Count a request's input, and remember what it marks."""
        state, tokens, read = blake2b(digest_size=16), 0, 0
        marks: list[tuple[bytes, int, CacheControl]] = []
        for segment in _segments(request):
            state.update(segment.content)
            tokens += segment.tokens
            name = state.digest()
            if name in self._known:
                read = tokens
            if segment.mark is not None and tokens >= _LEAST_CACHED:
                marks.append((name, tokens, segment.mark))
        if not marks:
            return Input(tokens)
        for name, _, _ in marks:
            self._remember(name)
        _, until, mark = marks[-1]
        read = min(read, until)
        written = until - read
        for_long = mark.ttl == "1h"
        return Input(tokens - until, 0 if for_long else written, written if for_long else 0, read)

    def _remember(self, name: bytes) -> None:
        self._known[name] = None
        if len(self._known) > _MOST_REMEMBERED:
            del self._known[next(iter(self._known))]


def input_tokens(request: Countable) -> int:
    return sum(segment.tokens for segment in _segments(request))


def _segments(request: Countable) -> Iterator[_Segment]:
    for tool in request.tools or ():
        content = msgspec.json.encode(replace(tool, cache_control=None))
        yield _Segment(content, count_tokens(content.decode()), tool.cache_control)
    system = [TextBlock(text=request.system)] if isinstance(request.system, str) else request.system or []
    yield from (_segment("system", block, 0, None) for block in system)
    for index, message in enumerate(request.messages):
        blocks = message.blocks if message.content else []
        for number, block in enumerate(blocks):
            last = index == len(request.messages) - 1 and number == len(blocks) - 1
            yield _segment(message.role, block, 0 if number else _PER_MESSAGE, request.cache_control if last else None)


def _segment(role: str, block: AnyBlock, extra: int, mark: CacheControl | None) -> _Segment:
    content = role.encode() + msgspec.json.encode(replace(block, cache_control=None))
    return _Segment(content, extra + _weight(block), block.cache_control or mark)


def _weight(block: AnyBlock) -> int:
    match block:
        case TextBlock(text=text):
            return count_tokens(text)
        case ImageBlock():
            return _IMAGE
        case DocumentBlock(source=source) if source.__struct_config__.tag in ("base64", "url", "file"):
            return _DOCUMENT
        case _:
            fields: dict[str, Any] = msgspec.to_builtins(block)
            return count_tokens(str(fields))
