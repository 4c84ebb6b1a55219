"""What the streams have in common whose clients read one part after another: Bedrock's and Cohere's.

Law: the client is told of the first choice alone. Its finish and the usage are told at the end, whenever they came.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from gantry.core.chat import Finish, ProviderError
from gantry.core.chat_events import (
    AnswerBegan,
    AnswerEnded,
    AnswerFailed,
    CallBegan,
    ChatEvent,
    ChoiceFinished,
    LogprobsAdded,
    PartEvent,
    TextAdded,
    UsageReported,
)
from gantry.core.usage import NO_USAGE
from gantry.dialects.assemble import merge_usage
from gantry.dialects.calls_in_turn import CallsInTurn
from gantry.dialects.tool_terms import unsaid_finish


class PartEncoder(ABC):
    """Events in, a client's stream out. `_open` is the part that a text goes on in; who writes the format keeps it."""

    __slots__ = ("_began", "_called", "_calls", "_finish", "_open", "_out", "_over", "_usage")

    def __init__(self) -> None:
        self._out: list[bytes] = []
        self._began = False
        self._called = False
        self._calls = CallsInTurn()
        self._open: int | None = None
        self._finish: Finish | None = None
        self._usage = NO_USAGE
        self._over = False

    @abstractmethod
    def begin(self, event: AnswerBegan) -> None:
        """Write the beginning of an answer."""

    @abstractmethod
    def go_on(self, text: str) -> None:
        """Write more of the text that is open: what streams are made of."""

    @abstractmethod
    def write(self, event: PartEvent) -> None: ...

    @abstractmethod
    def end(self, finish: Finish) -> None:
        """Write the end of the part that is open, and that of the answer."""

    @abstractmethod
    def fail(self, error: ProviderError) -> None: ...

    def feed(self, events: Iterable[ChatEvent]) -> bytes:
        """Return what the client is sent. After AnswerEnded or AnswerFailed there is no more."""
        for event in events:
            if self._over:
                break
            if type(event) is TextAdded and event.part == self._open and event.choice == 0:
                self.go_on(event.text)
            else:
                self._take(event)
        sent = b"".join(self._out)
        self._out.clear()
        return sent

    def _take(self, event: ChatEvent) -> None:
        match event:
            case AnswerBegan():
                self._begin(event)
            case UsageReported(usage):
                self._usage = merge_usage(self._usage, usage)
            case ChoiceFinished(choice, finish):
                if choice == 0:
                    self._finish = finish
            case AnswerEnded():
                self._over = True
                self._begin(AnswerBegan())
                for waiting in self._calls.rest():
                    self._write(waiting)
                self.end(self._finish or unsaid_finish(called=self._called))
            case AnswerFailed(error):
                self._over = True
                self.fail(error)
            case LogprobsAdded():
                pass
            case _:
                if event.choice == 0:
                    self._begin(AnswerBegan())
                    for allowed in self._calls.take(event):
                        self._write(allowed)

    def _begin(self, event: AnswerBegan) -> None:
        if not self._began:
            self._began = True
            self.begin(event)

    def _write(self, event: PartEvent) -> None:
        self._called = self._called or isinstance(event, CallBegan)
        self.write(event)
