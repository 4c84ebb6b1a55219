"""A conversation as Cohere wants it.

Law: turns stand as they came, for Cohere asks for no alternation. Thinking goes back without a signature, as Cohere's
does, but only in a request that is to think: other models refuse it. Content is text and images; anything else that a
caller sends is refused, and what a provider said earlier is dropped with a change that says so.
"""

from collections.abc import Iterator
from typing import Any, assert_never

from gantry.core.chat import (
    ChatRequest,
    Effort,
    Media,
    MediaKind,
    Message,
    NativePart,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.caller_names import turn_names
from gantry.dialects.changes import Change, dropped
from gantry.dialects.cohere.answer import message_fields
from gantry.dialects.data_urls import data_url
from gantry.dialects.foreign import refuse_part


class Messages:
    """The messages of one request, and what was changed on the way."""

    __slots__ = ("_thinks", "_where", "changes", "values")

    def __init__(self, request: ChatRequest) -> None:
        self._where = ""  # what the caller calls the message that is being written
        asked = request.reasoning is not None and request.reasoning.effort is not Effort.NONE
        self._thinks = asked or request.dialect is Dialect.COHERE
        self.changes: list[Change] = []
        self.values: list[dict[str, Any]] = []
        for self._where, message in zip(turn_names(request), request.messages, strict=True):
            self.values += self._values(message)

    def _values(self, message: Message) -> Iterator[dict[str, Any]]:
        if message.name is not None:
            self.changes.append(dropped(f"{self._where}.name"))
        for part in message.parts:
            if getattr(part, "cache", None) is not None:
                self.changes.append(dropped("cache_control", "the provider caches by itself"))
        match message.role:
            case Role.SYSTEM | Role.USER:
                yield {"role": str(message.role), "content": self._content(message.parts)}
            case Role.ASSISTANT:
                fields = message_fields(self._sendable(message.parts))
                yield {"role": "assistant", **(fields or {"content": ""})}
            case Role.TOOL:
                for part in message.parts:
                    if isinstance(part, ToolResult):
                        yield {"role": "tool", "tool_call_id": part.call_id, "content": self._result(part)}
            case _:
                assert_never(message.role)

    def _content(self, parts: tuple[Part, ...]) -> Any:
        items = [self._item(part) for part in parts]
        return parts[0].text if len(parts) == 1 and isinstance(parts[0], Text) else items

    def _item(self, part: Part) -> Any:
        match part:
            case Text(text) | Refusal(text):
                return {"type": "text", "text": text}
            case Media():
                return self._image(part)
            case NativePart(Dialect.COHERE, raw):
                return raw
            case NativePart():
                raise refuse_part(part, self._where)
            case Thinking() | ToolCall() | ToolResult():
                raise self._refusal("a part that does not belong into its turn")
            case _:
                assert_never(part)

    def _image(self, media: Media) -> dict[str, Any]:
        if media.kind is not MediaKind.IMAGE:
            raise self._refusal(f"{media.kind} content")
        if media.data is not None:
            url = data_url(media.mime or "image/png", media.data)
        elif media.url is not None:
            url = media.url
        else:
            raise self._refusal("an image by a file's id")
        image = {"url": url}
        if media.detail is not None:
            image["detail"] = media.detail
        return {"type": "image_url", "image_url": image}

    def _sendable(self, parts: tuple[Part, ...]) -> list[Part]:
        """Return what of an earlier answer can go back."""
        kept: list[Part] = []
        for part in parts:
            match part:
                case Text(text, citations):
                    own = tuple(one for one in citations if one.dialect is Dialect.COHERE)
                    if len(own) < len(citations):
                        self.changes.append(dropped(f"{self._where}.citations", "of another provider"))
                    if text:
                        kept.append(Text(text, own))
                case Thinking(text):
                    if text and self._thinks:
                        kept.append(part)
                    else:
                        self.changes.append(dropped(f"{self._where}.thinking", "the provider cannot take it back"))
                case NativePart(dialect) if dialect is not Dialect.COHERE:
                    self.changes.append(dropped(self._where, f"a part that only {dialect} knows"))
                case Media():
                    self.changes.append(dropped(self._where, f"{part.kind} in an earlier answer"))
                case _:
                    kept.append(part)
        return kept

    def _result(self, result: ToolResult) -> Any:
        if result.is_error:
            self.changes.append(dropped(f"{self._where}.is_error", "the provider has no word for it; the text is sent"))
        items: list[Any] = []
        for part in result.parts:
            match part:
                case Text(text):
                    items.append({"type": "text", "text": text})
                case NativePart(Dialect.COHERE, raw):
                    items.append(raw)
                case Media():
                    raise self._refusal(f"{part.kind} in a tool's result")
                case NativePart():
                    raise refuse_part(part, self._where)
                case _:
                    assert_never(part)
        if len(result.parts) == 1 and isinstance(result.parts[0], Text):
            return result.parts[0].text
        return items or ""

    def _refusal(self, what: str) -> InvalidRequest:
        return InvalidRequest(
            f"`{self._where}` holds {what}; the provider of this model takes text and, from users, images. "
            "Leave it out, or choose another model.",
            param=self._where,
        )
