"""The events of an answer as it comes: the one vocabulary between every decoder and every encoder of streams.

Law: a stream is `AnswerBegan`, then parts and what belongs to them, then `ChoiceFinished` for each choice,
`UsageReported` any number of times (each replaces what it names), and `AnswerEnded` as the last; or `AnswerFailed` as
the last. Parts of a choice are numbered from 0 in the order in which they begin. Only tool calls may interleave: text
and thinking of an earlier part never go on after a later part began, but the arguments of a call may. What a provider
says of a choice after its finish counts as what it says before. A decoder sends no empty delta.

A decoder that is closed early ends with `AnswerFailed`, so that every encoder's output is well-formed.
"""

from typing import Final

from msgspec import Raw, Struct

from gantry.core.chat import Citation, Finish, Media, ProviderError
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect


class AnswerBegan(Struct, frozen=True, gc=False):
    id: str | None = None
    model: str | None = None
    created: int | None = None
    service_tier: str | None = None


class TextAdded(Struct, frozen=True, gc=False):
    choice: int
    part: int
    text: str


class CitationAdded(Struct, frozen=True):
    """A source of the text of part `part`, which has begun or is about to."""

    choice: int
    part: int
    citation: Citation


class ThinkingAdded(Struct, frozen=True, gc=False):
    choice: int
    part: int
    text: str


class ThinkingSealed(Struct, frozen=True, gc=False):
    """What makes a thinking part provable: the signature of its text, or the sealed text in its place."""

    choice: int
    part: int
    dialect: Dialect
    signature: str | None = None
    sealed: str | None = None
    id: str | None = None


class RefusalAdded(Struct, frozen=True, gc=False):
    choice: int
    part: int
    text: str


class CallBegan(Struct, frozen=True, gc=False):
    choice: int
    part: int
    id: str
    name: str
    custom: bool = False
    signature: str | None = None


class CallAdded(Struct, frozen=True, gc=False):
    """A piece of the arguments' JSON text."""

    choice: int
    part: int
    arguments: str


class MediaAdded(Struct, frozen=True):
    """A whole part that is not text: an image that the model made."""

    choice: int
    part: int
    media: Media


class NativeAdded(Struct, frozen=True):
    """A whole part that only its dialect can say."""

    choice: int
    part: int
    dialect: Dialect
    raw: Raw


class LogprobsAdded(Struct, frozen=True):
    """Log probabilities of the text last added, in OpenAI's shape: `{"content": […]}`."""

    choice: int
    raw: Raw


class ChoiceFinished(Struct, frozen=True):
    choice: int
    finish: Finish


class UsageReported(Struct, frozen=True, gc=False):
    usage: Usage


class AnswerEnded(Struct, frozen=True, gc=False):
    """The answer is whole."""


class AnswerFailed(Struct, frozen=True):
    """The provider spoke of an error, or broke off."""

    error: ProviderError


ENDED: Final = AnswerEnded()

PartEvent = (
    TextAdded
    | CitationAdded
    | ThinkingAdded
    | ThinkingSealed
    | RefusalAdded
    | CallBegan
    | CallAdded
    | MediaAdded
    | NativeAdded
)
ChoiceEvent = PartEvent | LogprobsAdded | ChoiceFinished
ChatEvent = AnswerBegan | ChoiceEvent | UsageReported | AnswerEnded | AnswerFailed
