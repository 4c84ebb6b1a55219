"""Canonical events as a client's stream of response events.

Law: one message or reasoning is open at a time and is closed before the next item begins; calls may go on side by side
and are closed when the answer ends. The response that ends the stream holds every item that was sent. A failure is said
twice, once for each of those who read it: `error` for OpenAI's SDKs, `response.failed` for Codex.
"""

from collections.abc import Iterable
from typing import Any, assert_never

from msgspec import Raw

from gantry.core.chat import Finish, Media, ProviderError, Thinking, ToolCall
from gantry.core.chat_events import (
    AnswerBegan,
    AnswerEnded,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
    ChoiceEvent,
    ChoiceFinished,
    CitationAdded,
    LogprobsAdded,
    MediaAdded,
    NativeAdded,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
    UsageReported,
)
from gantry.core.usage import NO_USAGE
from gantry.dialects.assemble import merge_usage
from gantry.dialects.codec import Asking
from gantry.dialects.frames import EVENT_STREAM
from gantry.dialects.responses.encode_answer import (
    COMPLETED,
    INCOMPLETE,
    Item,
    ItemIds,
    call_item_id,
    image_item,
    own_id,
)
from gantry.dialects.responses.errors import error_body, failure_of
from gantry.dialects.responses.items import OWN
from gantry.dialects.responses.logprobs import logprob_entries
from gantry.dialects.responses.namespaces import homes_of
from gantry.dialects.responses.output_items import CallDraft, Frames, MessageDraft, ReasoningDraft
from gantry.dialects.responses.response_object import Ending, ResponseObject, ending_of, response_id


class ResponsesStreamEncoder:
    """Events in, named server-sent events out. There is room for one answer: the first."""

    __slots__ = (
        "_asking",
        "_calls",
        "_finish",
        "_frames",
        "_homes",
        "_ids",
        "_items",
        "_message",
        "_over",
        "_reasoning",
        "_refused",
        "_response",
        "_usage",
    )

    content_type = EVENT_STREAM

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._frames = Frames()
        self._response: ResponseObject | None = None
        self._ids = ItemIds("")
        self._items: list[Item] = []  # None holds the place of one that is still open
        self._message: tuple[int, MessageDraft] | None = None
        self._reasoning: tuple[int, ReasoningDraft] | None = None
        self._calls: dict[int, tuple[int, CallDraft]] = {}
        self._homes = homes_of(asking.request.tools)
        self._finish: Finish | None = None
        self._usage = NO_USAGE
        self._refused = False
        self._over = False

    def feed(self, events: Iterable[ChatEvent]) -> bytes:
        """Return what the client is sent."""
        for event in events:
            if self._over:
                break
            message = self._message
            if type(event) is TextAdded and message is not None and event.part == message[1].part and event.choice == 0:
                message[1].add(event.text, self._frames)  # what streams are made of
            else:
                self._add(event)
        return self._frames.taken()

    def _add(self, event: ChatEvent) -> None:
        match event:
            case AnswerBegan():
                self._begin(event)
            case UsageReported(usage):
                self._usage = merge_usage(self._usage, usage)
            case AnswerEnded():
                self._end(ending_of(self._finish, refused=self._refused))
            case AnswerFailed(error):
                self._fail(error)
            case _:
                if event.choice == 0:
                    self._begin(AnswerBegan())
                    self._add_part(event)

    def _add_part(self, event: ChoiceEvent) -> None:
        match event:
            case TextAdded(_, part, text):
                self._said(part).add(text, self._frames)
            case RefusalAdded(_, part, text):
                self._refused = True
                self._said(part, refuses=True).add(text, self._frames)
            case CitationAdded(_, part, citation):
                self._said(part).cite(citation)
            case ThinkingAdded(_, part, text):
                self._thought(part).add(text, self._frames)
            case ThinkingSealed(_, part, dialect, signature, sealed, id):
                proof = Thinking("", signature, sealed, dialect, id)
                self._thought(part, own_id(proof)).seal(proof)
            case CallBegan(_, part, id, name, custom):
                self._begin_call(part, ToolCall(id, name, "", custom))
            case CallAdded(_, part, arguments):
                self._calls[part][1].add(arguments, self._frames)
            case MediaAdded(_, _, media):
                self._add_media(media)
            case NativeAdded(_, _, dialect, raw):
                if dialect is OWN:
                    self._add_whole(raw)
            case LogprobsAdded(_, raw):
                if self._message is not None:
                    self._message[1].add_logprobs(logprob_entries(raw))
            case ChoiceFinished(_, finish):
                self._finish = finish
            case _:
                assert_never(event)

    def _begin(self, event: AnswerBegan) -> None:
        if self._response is not None:
            return
        asking = self._asking
        whole_id = response_id(event.id, asking.id)
        created = asking.created if event.created is None else event.created
        model = event.model or asking.request.model
        self._ids = ItemIds(whole_id)
        self._response = ResponseObject(whole_id, created, model, event.service_tier, asking.request)
        begun = self._response.begun()
        self._frames.add("response.created", response=begun)
        self._frames.add("response.in_progress", response=begun)

    def _said(self, part: int, *, refuses: bool = False) -> MessageDraft:
        """Return the message that a text or refusal belongs to, with that part open."""
        if self._message is None:
            self._close_reasoning()
            index = self._place()
            self._message = index, MessageDraft(self._ids.at("msg", index), index, self._frames)
        draft = self._message[1]
        if draft.part != part:
            draft.open(part, self._frames, refuses=refuses)
        return draft

    def _thought(self, part: int, item_id: str | None = None) -> ReasoningDraft:
        if self._reasoning is None or self._reasoning[1].part != part:
            self._close_open()
            index = self._place()
            draft = ReasoningDraft(item_id or self._ids.at("rs", index), index, part, self._frames)
            self._reasoning = index, draft
        return self._reasoning[1]

    def _begin_call(self, part: int, call: ToolCall) -> None:
        self._close_open()
        index = self._place()
        item_id = call_item_id(self._ids, index, custom=call.custom)
        self._calls[part] = index, CallDraft(item_id, index, call, self._frames, self._homes.get(call.name))

    def _add_media(self, media: Media) -> None:
        item = image_item(self._ids.at("ig", len(self._items)), media)
        if item is not None:
            self._add_whole(item)

    def _add_whole(self, item: Raw | dict[str, Any]) -> None:
        self._close_open()
        index = self._place()
        self._items[index] = item
        self._frames.add("response.output_item.added", output_index=index, item=item)
        self._frames.add("response.output_item.done", output_index=index, item=item)

    def _place(self) -> int:
        self._items.append(None)
        return len(self._items) - 1

    def _close_open(self, last_status: str = COMPLETED) -> None:
        self._close_reasoning()
        if self._message is not None:
            index, draft = self._message
            self._items[index] = draft.close(self._frames, self._status(index, last_status))
            self._message = None

    def _close_reasoning(self) -> None:
        if self._reasoning is not None:
            index, draft = self._reasoning
            self._items[index] = draft.close(self._frames)
            self._reasoning = None

    def _status(self, index: int, last_status: str) -> str:
        """Return the status of an item at its end: an answer that broke off did so in the last one."""
        return last_status if index == len(self._items) - 1 else COMPLETED

    def _end(self, ending: Ending) -> None:
        self._begin(AnswerBegan())
        assert self._response is not None
        self._over = True
        last_status = COMPLETED if ending.status == COMPLETED else INCOMPLETE
        self._close_open(last_status)
        for index, draft in self._calls.values():
            self._items[index] = draft.close(self._frames, self._status(index, last_status))
        whole = self._response.ended(self._items, ending, self._usage)
        self._frames.add(f"response.{ending.status}", response=whole)

    def _fail(self, error: ProviderError) -> None:
        self._begin(AnswerBegan())
        said = error_body(error)
        flat = {name: said[name] for name in ("code", "message", "param")}
        self._frames.add("error", **flat, error=said)
        self._end(Ending("failed", error=failure_of(error)))
