"""What a stream has used so far: what its provider told, and a count of what it said.

Law: whatever the cut of the bytes, the count after an event is the same. Reading never raises: what comes behind an
event that cannot be read is not counted, and the stream counts as over.
"""

from gantry.core.chat_events import (
    AnswerEnded,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    UsageReported,
)
from gantry.core.errors import UpstreamBroke
from gantry.core.usage import NO_USAGE, Usage
from gantry.dialects.assemble import merge_usage
from gantry.dialects.codec import StreamDecoder
from gantry.dialects.estimate import TokenCount, complete_usage


class RunningUsage:
    """A provider's stream in. `over`: it has ended, or failed."""

    __slots__ = ("_count", "_decoder", "_text", "_told", "over")

    def __init__(self, decoder: StreamDecoder) -> None:
        self._decoder = decoder
        self._count = TokenCount()
        self._text = (-1, -1)  # the choice and the part that the last event said more of
        self._told = NO_USAGE
        self.over = False

    @property
    def output_tokens(self) -> int:
        return self._count.tokens

    def see(self, data: bytes) -> bool:
        """Take bytes of the provider's. Say whether they do no more than go on with the text of those before."""
        if self.over:
            return False
        try:
            events = self._decoder.feed(data)
        except UpstreamBroke:
            self.over = True
            return False
        if len(events) == 1 and type(event := events[0]) is TextAdded:
            self._count.add(event.text)
            before, self._text = self._text, (event.choice, event.part)
            return before == self._text
        self._take_all(events)
        return False

    def conclude(self, input_tokens: int | None) -> Usage:
        """Return the usage of a stream that ends here. `input_tokens` are ours, for want of the provider's."""
        if not self.over:
            self._take_all(self._decoder.close())
        return complete_usage(self._told, input_tokens, self._count.tokens)

    def _take_all(self, events: list[ChatEvent]) -> None:
        for event in events:
            match event:
                case TextAdded(_, _, text) | ThinkingAdded(_, _, text) | RefusalAdded(_, _, text):
                    self._count.add(text)
                case CallAdded(_, _, arguments):
                    self._count.add(arguments)
                case CallBegan(_, _, _, name):
                    self._count.add(name)
                case UsageReported(usage):
                    self._told = merge_usage(self._told, usage)
                case AnswerEnded() | AnswerFailed():
                    self.over = True
                case _:
                    pass  # neither said nor counted
