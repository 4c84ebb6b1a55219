"""What an answer used whose body is not kept as it came: told by its provider, or else estimated by what passed.

Law: the money does not depend on what may be kept. A small answer is at hand until it ends, and one that is kept
redacted was whole before. Of others the first and the last bytes are known, and how many there were.
"""

from typing import Final

from msgspec import Struct

from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.answer import read_answer
from gantry.dialects.answer_usage import SPOKEN, usage_of_answer
from gantry.dialects.estimate import complete_usage, count_tokens, is_of_beginning
from gantry.dialects.question import read_question
from gantry.dialects.reported_usage import read_reported_usage
from gantry.dialects.tail import estimate_said, find_usage, find_usage_around

STREAM_TYPES: Final = ("text/event-stream", "application/vnd.amazon.eventstream")
_AROUND: Final = {Dialect.ANTHROPIC: b"message_delta"}  # who tell of the input first, and of the output in this event

_BESIDE: Final = (b"_search_call", b"webSearchQueries")  # what is billed, and is told by content alone


class Passed(Struct, frozen=True, gc=False):
    """What is known of an answer: its ends, and all of it where that is at hand."""

    head: bytes
    tail: bytes
    total: int
    content_type: str
    whole: bytes = b""


class PassedUsage(Struct, frozen=True, gc=False):
    usage: bytes = b""  # as its provider wrote it
    model: str | None = None
    counted: Usage = NO_USAGE  # by us, where that is not all


NOTHING_PASSED: Final = PassedUsage()


def usage_withheld(operation: Operation, dialect: Dialect, content_type: str, body: bytes) -> PassedUsage:
    """Return what an answer used of which all is at hand, but not kept: by whatever of it tells. Never raises."""
    raw, model = find_usage(body) or (b"", None)
    answer = read_answer(operation, dialect, content_type, body)
    return PassedUsage(raw, model, usage_of_answer(operation, answer, None))


def passed_usage(
    operation: Operation, dialect: Dialect, passed: Passed, request_type: str, request: bytes
) -> PassedUsage:
    """Return what was used. `request` is what was asked, as far as it is at hand. Never raises."""
    streamed = operation in SPOKEN and passed.content_type.startswith(STREAM_TYPES)
    ending = _AROUND.get(dialect) if streamed else None
    found = find_usage(passed.tail) if ending is None else find_usage_around(passed.head, passed.tail)
    raw, model = found or (b"", None)
    told = read_reported_usage(dialect, raw)[0] if raw else NO_USAGE
    is_last = ending is None or ending in passed.tail
    is_told = not streamed or (told.output_tokens is not None and is_last)
    tells_beside = operation in SPOKEN and any(mark in passed.whole for mark in _BESIDE)
    if passed.whole and (tells_beside or not is_told):
        counted = usage_withheld(operation, dialect, passed.content_type, passed.whole).counted
    elif is_told:
        counted = NO_USAGE
    else:
        said = estimate_said(dialect, passed.tail, passed.total)
        is_right = not said or (told.output_tokens is not None and not is_of_beginning(told.output_tokens, said))
        counted = NO_USAGE if is_right else complete_usage(told, None, said)
    if counted.estimated and counted.input_tokens is None and request:
        asked = read_question(operation, request_type, request, dialect).input
        counted = complete_usage(counted, count_tokens(asked), 0) if asked else counted
    return PassedUsage(raw, model, counted)
