"""What a call may come to, before it is made: tokens by the length of its body and by what its answer may be at most.

Law: cheap, and honest about what it does not know. Nothing is parsed that the envelope has not read: text is counted by
its bytes, and what looks like a file among them, by the longest text that a file is worth. Units that only the answer
tells, such as pages or seconds, make the estimate None and not 0. What a call really was, its settling says.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec
from msgspec import Raw

from gantry.core.usage import Usage
from gantry.core.vocabulary import EMBEDDING_OPERATIONS, Operation
from gantry.prices.cost import cost
from gantry.prices.plain import PlainPrices
from gantry.prices.rate import Rate
from gantry.wire.envelope import Envelope

BYTES_PER_TOKEN: Final = 4
MOST_TOKENS: Final = 10**9  # whatever a caller writes
_LONG: Final = 16 * 1024  # a body that may have a file in it
_FILE: Final = 4096  # a string this long is one, if it does not begin like a text
_TOKENS_OF_FILE: Final = 2048  # about what an image is billed as
_TOKENS_OF_IMAGE: Final = 4160  # to draw one in good quality, where that is billed so
_WRITING: Final = frozenset(
    (
        Operation.CHAT,
        Operation.FIM,
        Operation.COMPLETIONS,
        Operation.AGENT_CHAT,
        Operation.RESPONSES,
        Operation.CONVERSATIONS,
    )
)
_READING: Final = EMBEDDING_OPERATIONS | {
    Operation.MODERATION,
    Operation.CHAT_MODERATION,
    Operation.CLASSIFICATION,
    Operation.CHAT_CLASSIFICATION,
}
_NOTHING: Final = frozenset((Operation.COUNT_TOKENS, Operation.MODELS, Operation.MODEL, Operation.RESPONSE))
# Only what the format of a request has: a bound that its provider does not read is none.
Places = Sequence[tuple[str, str]]  # members, and where the number is inside one
_BOUNDS: Final[Places] = (("max_tokens", ""), ("max_completion_tokens", ""))
_BOUNDS_OF: Final[Mapping[Operation, Places]] = {
    Operation.RESPONSES: (("max_output_tokens", ""),),
    Operation.CONVERSATIONS: (("completion_args", "max_tokens"),),
}
_BOUNDS_OF_GOOGLE: Final[Places] = (("generationConfig", "maxOutputTokens"), ("generation_config", "max_output_tokens"))
_ANSWERS: Final[Places] = (("n", ""),)
_ANSWERS_OF_GOOGLE: Final[Places] = (("generationConfig", "candidateCount"), ("generation_config", "candidate_count"))
_COMPLETIONS: Final = Operation.COMPLETIONS
_MADE: Final[Places] = (("n", ""), ("best_of", ""))  # of completions, and billed, however many are shown
_MOST_ANSWERS: Final = 1000
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_members_of: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_count_of: Final = msgspec.json.Decoder(int).decode
_lenient_count_of: Final = msgspec.json.Decoder(int | float | str).decode


class Measure:
    """What a request tells of the units that it may take: of most, so much to read and so much to write."""

    __slots__ = ("is_plain", "others", "read", "service_tier", "tokens", "written")

    def __init__(self, tokens: int, others: Usage | None = None) -> None:
        self.tokens = tokens  # of both directions
        self.others = others  # of units that are counted otherwise
        self.is_plain = False  # nothing but so many tokens to read and to write
        self.read = self.written = 0
        self.service_tier: str | None = None

    @property
    def usage(self) -> Usage | None:
        """All units; None where the request does not tell."""
        return Usage(input_tokens=self.read, output_tokens=self.written) if self.is_plain else self.others

    @property
    def is_known(self) -> bool:
        return self.is_plain or self.others is not None

    def cost_at(self, rate: Rate, plain: PlainPrices | None) -> int | None:
        """Return what it may cost; None where that is not known. `plain` are the prices of the rate, if it has such."""
        if plain is not None and self.is_plain:
            return plain.cost(self.read, self.written)
        usage = self.usage
        return None if usage is None else cost(rate, usage)


def plain_measure(read: int, written: int, service_tier: str | None = None) -> Measure:
    """Return what is so many tokens to read and to write."""
    measured = Measure(read + written)
    measured.is_plain = True
    measured.read, measured.written, measured.service_tier = read, written, service_tier
    return measured


UNKNOWN: Final = Measure(0)
FREE: Final = plain_measure(0, 0)


def measure(operation: Operation, envelope: Envelope | None, longest_answer: int) -> Measure:
    """Return what a request may take. `longest_answer` is in tokens, for a caller that names no bound."""
    if operation in _WRITING and envelope is not None:  # most
        return _measure_writing(operation, envelope, longest_answer)
    if operation in _NOTHING:
        return FREE
    if envelope is None:
        return UNKNOWN
    if operation is Operation.RERANK:
        read = text_tokens(envelope.body)
        return Measure(read, Usage(input_tokens=read, searches=1, total_tokens=read))
    if operation in _READING:
        read = text_tokens(envelope.body)
        return Measure(read, Usage(input_tokens=read, total_tokens=read))
    if operation is Operation.IMAGES:
        read, count = text_tokens(envelope.body), _answers(envelope.members, _ANSWERS)
        drawn = count * _TOKENS_OF_IMAGE
        return Measure(read + drawn, Usage(input_tokens=read, output_tokens=drawn, images=count))
    if operation is Operation.SPEECH:
        said = envelope.get("input")
        return Measure(0, Usage(characters=max(len(said) - 2, 0) if said is not None else 0))
    return UNKNOWN


def _measure_writing(operation: Operation, envelope: Envelope, longest_answer: int) -> Measure:
    members, body = envelope.members, envelope.body
    bounds: Places = _BOUNDS_OF.get(operation, _BOUNDS)
    answers: Places = _ANSWERS
    if "contents" in members and "messages" not in members:
        answers = _ANSWERS_OF_GOOGLE
        if operation not in _BOUNDS_OF:
            bounds = _BOUNDS_OF_GOOGLE
    bound = _most(members, bounds)
    written = longest_answer if bound is None else bound
    if operation is _COMPLETIONS:
        written *= _answers(members, _MADE) * _prompts(members.get("prompt"))
    elif answers is not _ANSWERS or "n" in members:
        written *= _answers(members, answers)
    if written > MOST_TOKENS:
        written = MOST_TOKENS
    read = -(-len(body) // BYTES_PER_TOKEN) if len(body) <= _LONG else text_tokens(body)
    tier = envelope.text_or_none("service_tier") if "service_tier" in members else None
    return plain_measure(read, written, tier)


def text_tokens(body: bytes) -> int:
    """Return about how many tokens a body is, files in it being worth what an image is."""
    size, files = len(body), 0
    if size > _LONG:
        for piece in body.split(b'"'):
            if len(piece) > _FILE and _is_file(piece[:256]):
                size -= len(piece)
                files += min(len(piece) // BYTES_PER_TOKEN, _TOKENS_OF_FILE)
    return -(-size // BYTES_PER_TOKEN) + files


def _is_file(beginning: bytes) -> bool:
    """Say whether a string is no text: some languages are written without spaces, but not in base64's alphabet."""
    return b" " not in beginning and b"\\u" not in beginning and beginning.isascii()


def received_tokens(operation: Operation, body: bytes, total: int) -> int:
    """Return about how many tokens an answer has come to that broke off, by the end of it and its length in bytes.

    Of a stream that is at least one for each event: what frames a token is many times as long as it.
    """
    if operation not in _WRITING or not total:
        return 0
    events = body.count(b"\ndata:") + body.startswith(b"data:")
    if events:
        return max(1, total * events // max(len(body), 1))
    return -(-total // BYTES_PER_TOKEN)


def _answers(members: Mapping[str, Raw], places: Places) -> int:
    """Return how many answers are asked for."""
    return min(max(_most(members, places) or 1, 1), _MOST_ANSWERS)


def _prompts(raw: Raw | None) -> int:
    """Return how many prompts are to be completed; a list of tokens is one."""
    said = b"" if raw is None else bytes(raw)
    inside = said[1:64].lstrip() if said.startswith(b"[") else b""
    if inside.startswith(b"["):
        return min(said.count(b"[") - 1, _MOST_ANSWERS)
    if not inside.startswith(b'"'):
        return 1
    return sum(1 for _ in islice(_STRING.finditer(said), _MOST_ANSWERS))


def _most(members: Mapping[str, Raw], places: Places) -> int | None:
    """Return the most that a caller says, for who knows which one is read; None where it says nothing."""
    most = None
    for outer, inner in places:
        raw = members.get(outer)
        if raw is None:
            continue
        count = _number(_within(raw, inner) if inner else raw)
        if count is not None and (most is None or count > most):
            most = count
    return most


def _within(raw: Raw, name: str) -> Raw | None:
    try:
        return _members_of(raw).get(name)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _number(raw: Raw | None) -> int | None:
    if raw is None:
        return None
    try:
        count: int = _count_of(raw)
    except (msgspec.DecodeError, ValueError):
        return _lenient_number(raw)
    return min(count, MOST_TOKENS) if count >= 0 else None


def _lenient_number(raw: Raw) -> int | None:
    """Return a count that is written as a string or with a fraction of nothing, as some providers take it."""
    try:
        said = _lenient_count_of(raw)
        count = int(said)
    except (msgspec.DecodeError, UnicodeError, ValueError, OverflowError):
        return None  # the provider's to judge
    is_whole = isinstance(said, str) or count == said
    return min(count, MOST_TOKENS) if is_whole and count >= 0 else None
