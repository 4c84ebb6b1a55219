"""Messages as the input of a request.

Law: a message comes apart into items in the order of its parts. What the provider of an earlier turn made and this
format cannot say is dropped from the assistant's turns with a Change; what the caller brings and cannot be said is
refused.
"""

from collections.abc import Iterable
from typing import Any, Final, assert_never

from gantry.core.chat import (
    CacheMark,
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
from gantry.dialects.caller_names import parts_name
from gantry.dialects.changes import Change, converted, dropped
from gantry.dialects.data_urls import audio_format, data_url
from gantry.dialects.foreign import refuse_part
from gantry.dialects.responses.items import OWN

_ACCOUNTS: Final = frozenset((OWN, Dialect.OPENAI_CHAT))  # whose file ids mean the same
_EXTENSIONS: Final = {"application/pdf": "pdf", "text/plain": "txt", "text/markdown": "md", "text/csv": "csv"}

Item = Any


class InputWriter:
    """The items of a conversation, and what was changed on the way."""

    def __init__(self, asked_in: Dialect) -> None:
        self.items: list[Item] = []
        self.changes: list[Change] = []
        self._asked_in = asked_in
        self._custom_calls: set[str] = set()

    def add(self, message: Message, path: str) -> None:
        """Add a turn. Raises InvalidRequest."""
        if message.prefix:
            raise InvalidRequest(
                f"`{path}.prefix`: the provider of this model cannot go on from the beginning of an answer. "
                "Leave the last assistant message out, or ask another model.",
                param=f"{path}.prefix",
            )
        if message.name is not None:
            self.changes.append(dropped(f"{path}.name"))
        if message.role is Role.ASSISTANT:
            self._add_assistant(message.parts, path)
        elif message.role is Role.TOOL:
            self._add_results(message.parts, path)
        else:
            self._add_said(message, path)

    def _add_said(self, message: Message, path: str) -> None:
        content: list[Any] = []
        for number, part in enumerate(message.parts):
            if isinstance(part, NativePart) and part.dialect is OWN:
                self._flush("user", content)
                self.items.append(part.raw)
            else:
                content.append(self._content(part, self._place(path, number)))
        role = "user" if message.role is Role.USER else "developer" if self._asked_in in _ACCOUNTS else "system"
        self._flush(role, content)

    def _place(self, path: str, number: int) -> str:
        return f"{path}.{parts_name(self._asked_in)}[{number}]"

    def _flush(self, role: str, content: list[Any]) -> None:
        if content:
            self.items.append({"type": "message", "role": role, "content": list(content)})
            content.clear()

    def _add_assistant(self, parts: Iterable[Part], path: str) -> None:
        spoken: list[Any] = []
        for number, part in enumerate(parts):
            if isinstance(part, Text | Refusal):
                if part.text:
                    spoken.append(self._spoken(part))
                continue
            self._flush("assistant", spoken)
            item = self._assistant_item(part, self._place(path, number))
            if item is not None:
                self.items.append(item)
        self._flush("assistant", spoken)

    def _spoken(self, part: Text | Refusal) -> dict[str, Any]:
        if isinstance(part, Refusal):
            return {"type": "refusal", "refusal": part.text}
        sources = [one.raw for one in part.citations if one.dialect is OWN and one.raw is not None]
        return {"type": "output_text", "text": part.text, **({"annotations": sources} if sources else {})}

    def _assistant_item(self, part: Thinking | ToolCall | NativePart | Media | ToolResult, path: str) -> Item | None:
        match part:
            case Thinking():
                return self._reasoning(part, path)
            case ToolCall(id, name, arguments, True):
                self._custom_calls.add(id)
                return {"type": "custom_tool_call", "call_id": id, "name": name, "input": arguments}
            case ToolCall(id, name, arguments):
                return {"type": "function_call", "call_id": id, "name": name, "arguments": arguments or "{}"}
            case NativePart(dialect, raw):
                if dialect is OWN:
                    return raw
                self.changes.append(dropped(path, f"only {dialect} knows this part of an earlier answer"))
            case Media(kind):
                self.changes.append(dropped(path, f"the provider takes no {kind} said by the assistant"))
            case ToolResult():
                self._add_results((part,), path)
            case _:
                assert_never(part)
        return None

    def _reasoning(self, part: Thinking, path: str) -> Item | None:
        if part.dialect is OWN and (part.sealed is not None or self._asked_in is OWN):
            identity = {} if part.id is None else {"id": part.id}
            sealed = {} if part.sealed is None else {"encrypted_content": part.sealed}
            summary = [{"type": "summary_text", "text": part.text}] if part.text else []
            return {"type": "reasoning", **identity, "summary": summary, **sealed}
        if part.dialect is None and self._asked_in is OWN:
            content = [{"type": "reasoning_text", "text": part.text}]
            return {"type": "reasoning", "summary": [], "content": content}
        self.changes.append(dropped(path, "the provider takes reasoning only as it sealed it"))
        return None

    def _add_results(self, parts: Iterable[Part], path: str) -> None:
        for number, part in enumerate(parts):
            if isinstance(part, NativePart) and part.dialect is OWN:
                self.items.append(part.raw)
            elif isinstance(part, ToolResult):
                self.items.append(self._result(part, path))
            else:
                self._add_said(Message(Role.USER, (part,)), self._place(path, number))

    def _result(self, part: ToolResult, path: str) -> Item:
        kind = "custom_tool_call_output" if part.call_id in self._custom_calls else "function_call_output"
        if part.is_error:
            self.changes.append(converted(f"{path}.is_error", "to the result's text alone"))
        only = part.parts[0] if len(part.parts) == 1 else None
        output: Any
        if isinstance(only, Text):
            output = only.text
        else:
            output = [self._content(one, self._place(path, number)) for number, one in enumerate(part.parts)] or ""
        return {"type": kind, "call_id": part.call_id, "output": output}

    def _content(self, part: Part, path: str) -> dict[str, Any]:
        """Return a part of what a user, a system or a tool says. Raises InvalidRequest."""
        match part:
            case Text(text):
                return {"type": "input_text", "text": text, **self._breakpoint(part.cache)}
            case Media(MediaKind.IMAGE):
                detail = {} if part.detail is None else {"detail": part.detail}
                return {"type": "input_image", **detail, **self._image(part, path), **self._breakpoint(part.cache)}
            case Media(MediaKind.DOCUMENT):
                return {"type": "input_file", **self._file(part, path), **self._breakpoint(part.cache)}
            case Media(MediaKind.AUDIO, mime, str(data)) if self._asked_in is OWN:
                return {"type": "input_audio", "input_audio": {"data": data, "format": audio_format(mime)}}
            case Media(kind):
                raise InvalidRequest(f"`{path}`: the provider of this model takes no {kind}", param=path)
            case NativePart():
                raise refuse_part(part, path)
            case _:
                raise InvalidRequest(f"`{path}`: this kind of content cannot be said in this role", param=path)

    def _image(self, part: Media, path: str) -> dict[str, str]:
        if part.data is not None:
            return {"image_url": data_url(part.mime or "image/png", part.data)}
        return {"image_url": part.url} if part.url is not None else self._file_id(part, path)

    def _file(self, part: Media, path: str) -> dict[str, str]:
        named = {} if part.name is None else {"filename": part.name}
        detail = {} if part.detail is None else {"detail": part.detail}
        if part.data is not None:
            # A file without a name is refused.
            name = part.name or f"document.{_EXTENSIONS.get(part.mime or '', 'pdf')}"
            return {"filename": name, "file_data": data_url(part.mime or "application/pdf", part.data), **detail}
        if part.url is not None:
            return {"file_url": part.url, **named, **detail}
        return {**self._file_id(part, path), **named, **detail}

    def _file_id(self, part: Media, path: str) -> dict[str, str]:
        if part.file_id is None or self._asked_in not in _ACCOUNTS:
            raise InvalidRequest(
                f"`{path}`: a file lives with the account it was uploaded to, and the provider of this model does not "
                "have it. Send the content itself, or a URL.",
                param=path,
            )
        return {"file_id": part.file_id}

    def _breakpoint(self, cache: CacheMark | None) -> dict[str, Any]:
        """Return the mark for the cache. Marks of other dialects are not needed: prompts are cached unasked."""
        if cache is None or self._asked_in is not OWN:
            return {}
        ttl = {} if cache.ttl is None else {"ttl": cache.ttl}
        return {"prompt_cache_breakpoint": {"mode": "explicit", **ttl}}
