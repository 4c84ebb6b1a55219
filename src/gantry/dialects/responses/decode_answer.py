"""A whole response as the canonical chat, and why it ended."""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import ChatAnswer, Choice, Finish, FinishReason, Part, ToolCall
from gantry.core.errors import UpstreamBroke
from gantry.core.usage import NO_USAGE, Usage
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.members import UNREADABLE
from gantry.dialects.responses.errors import inner_error
from gantry.dialects.responses.items import OWN, logprobs_of, said_by_assistant, says_something
from gantry.dialects.responses.logprobs import joined_logprobs
from gantry.dialects.usage import read_usage

_LIMITS: Final = {
    "max_output_tokens": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}
_WHOLE: Final = (None, "completed")


class IncompleteDetails(Struct, gc=False):
    reason: str | None = None


class ResponseShape(Struct, gc=False):
    """A response, as far as it is understood."""

    id: str | None = None
    model: str | None = None
    created_at: float | None = None
    status: str | None = None
    output: list[Raw] | None = None
    incomplete_details: IncompleteDetails | None = None
    error: Raw = ABSENT
    usage: Raw = ABSENT
    service_tier: str | None = None

    def created(self) -> int | None:
        return None if self.created_at is None else int(self.created_at)

    def read_usage(self) -> Usage:
        return read_usage(self.usage)[0] if has_value(self.usage) else NO_USAGE

    def failed(self) -> bool:
        return self.status == "failed" or (has_value(self.error) and not self.output)


decode_response: Final = msgspec.json.Decoder(ResponseShape).decode


def decode_answer(body: bytes) -> ChatAnswer:
    """Return a provider's whole answer. Raises UpstreamBroke when it is none, or one that failed."""
    try:
        response = decode_response(body)
        if response.failed():
            raise UpstreamBroke(f"the provider's answer failed: {inner_error(response.error).message}")
        if response.output is None:
            raise UpstreamBroke("the provider's answer has no `output`")
        said = [part for number, item in enumerate(response.output) for part in said_by_assistant(item, number)]
        logprobs = [one for item in response.output for one in logprobs_of(item)]
    except UNREADABLE as error:
        raise UpstreamBroke(f"the provider's answer cannot be read: {error}") from error
    parts = [part for part in said if says_something(part)]
    called = any(isinstance(part, ToolCall) for part in parts)
    return ChatAnswer(
        dialect=OWN,
        id=response.id,
        model=response.model,
        created=response.created(),
        choices=(_choice(parts, finish_of(response, called=called), logprobs),),
        usage=response.read_usage(),
        service_tier=response.service_tier,
    )


def _choice(parts: list[Part], finish: Finish, logprobs: list[Raw]) -> Choice:
    return Choice(0, tuple(parts), finish, joined_logprobs(logprobs) if logprobs else None)


def finish_of(response: ResponseShape, *, called: bool) -> Finish:
    """Return why a response ended. Calls of tools are no reason of their own here: they are in the output."""
    status = response.status
    if status == "incomplete":
        reason = None if response.incomplete_details is None else response.incomplete_details.reason
        return Finish(_LIMITS.get(reason or "", FinishReason.OTHER), reason or status)
    if status in _WHOLE:
        return Finish(FinishReason.TOOL_CALLS if called else FinishReason.STOP, status)
    return Finish(FinishReason.OTHER, status)
