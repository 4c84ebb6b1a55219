"""The turns of a conversation, as `contents` and `systemInstruction`.

Law: neighbours of one role are one content, for Gemini wants user and model to take turns, and the results of all calls
of a turn in the content right after it. A signature goes back on the part it came on; another dialect's never goes.
A call in a history that another model wrote has none, and Gemini 3 refuses calls of the running turn without: the first
of each content gets the word that Google gives for this, which older models pass over.
Spec: https://ai.google.dev/gemini-api/docs/thought-signatures (FAQ: a trace from a different model)
"""

from typing import Any, Final, assert_never

from msgspec import Raw

from gantry.core.chat import (
    ChatRequest,
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
from gantry.dialects.caller_names import parts_name, turn_names
from gantry.dialects.changes import Change, converted, dropped
from gantry.dialects.gemini.content_decoding import minted_ids
from gantry.dialects.gemini.media import media_part
from gantry.dialects.gemini.thinking import is_of_third_generation
from gantry.dialects.gemini.tool_results import response_of_text
from gantry.dialects.tool_terms import arguments_object, call_names

# base64 of `skip_thought_signature_validator`
_UNSIGNED: Final = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
_USER: Final = "user"
_MODEL: Final = "model"
_HELD: Final = (MediaKind.IMAGE, MediaKind.DOCUMENT)

Content = dict[str, Any]
WirePart = dict[str, Any] | Raw


class Conversation:
    """The contents of a request, and its system instruction."""

    __slots__ = ("_changes", "_minted", "_names", "_results_hold_media", "_speaker", "contents", "system")

    def __init__(self, request: ChatRequest, model: str, changes: list[Change]) -> None:
        self.contents: list[Content] = []
        self.system: list[WirePart] = []
        self._changes = changes
        self._speaker = request.dialect
        self._results_hold_media = request.dialect is Dialect.GEMINI or is_of_third_generation(model)
        self._names = call_names(request.messages)
        self._minted = _ids_of_ours(request)
        for message, path in zip(request.messages, turn_names(request), strict=True):
            self._add(message, path)
        if not self.contents:
            self._ask_with_system()

    def _add(self, message: Message, path: str) -> None:
        if message.name is not None:
            self._changes.append(dropped(f"{path}.name"))
        parts = self._parts(message, path)
        if message.role is Role.SYSTEM:
            if parts and self.contents:
                self._changes.append(converted(path, "to a part of the system instruction at the beginning"))
            self.system += parts
        elif parts:
            role = _MODEL if message.role is Role.ASSISTANT else _USER
            if self.contents and self.contents[-1]["role"] == role:
                self.contents[-1]["parts"] += parts
            else:
                self.contents.append({"role": role, "parts": parts})

    def _ask_with_system(self) -> None:
        if not self.system:
            raise InvalidRequest("`messages` must hold something that is said to the model", param="messages")
        self._changes.append(converted("messages", "the system's words to the user's, for there are no others"))
        self.contents.append({"role": _USER, "parts": self.system})
        self.system = []

    def _parts(self, message: Message, path: str) -> list[WirePart]:
        parts: list[WirePart] = []
        seal: str | None = None
        for number, part in enumerate(message.parts):
            if seal is not None and not isinstance(part, Text | Media):
                parts.append({"text": "", "thoughtSignature": seal})
                seal = None
            if isinstance(part, Thinking) and part.dialect is Dialect.GEMINI and part.sealed is not None:
                seal = part.sealed
                part = Thinking(part.text)
            where = f"{path}.{parts_name(self._speaker)}[{number}]"
            made = self._part(part, message.role, where)
            if made is not None:
                if seal is not None and isinstance(made, dict) and not isinstance(part, Thinking):
                    made["thoughtSignature"] = seal
                    seal = None
                parts.append(made)
            if isinstance(part, ToolResult):
                parts += self._media_beside(part, where)
        if seal is not None:
            parts.append({"text": "", "thoughtSignature": seal})
        if self._speaker is not Dialect.GEMINI:
            _sign_first_call(parts)
        return parts

    def _part(self, part: Part, role: Role, path: str) -> WirePart | None:
        match part:
            case Text(text):
                return {"text": text} if text or self._speaker is Dialect.GEMINI else None
            case Refusal(text):
                return {"text": text}
            case Media():
                return media_part(part, self._speaker, path, self._changes)
            case Thinking():
                return self._thinking(part, path)
            case ToolCall():
                return self._call(part)
            case ToolResult():
                return self._result(part, path)
            case NativePart(dialect, raw):
                if dialect is Dialect.GEMINI:
                    return raw
                self._leave_out(dialect, role, path)
                return None
            case _:
                assert_never(part)

    def _thinking(self, thinking: Thinking, path: str) -> WirePart | None:
        if thinking.dialect is Dialect.GEMINI and thinking.signature is not None:
            return {"text": thinking.text, "thought": True, "thoughtSignature": thinking.signature}
        if thinking.text:
            return {"text": thinking.text, "thought": True}
        if thinking.dialect is not None:
            self._changes.append(dropped(path, f"thinking that only {thinking.dialect} can read"))
        return None

    def _call(self, call: ToolCall) -> WirePart:
        called: dict[str, Any] = {"name": call.name, "args": arguments_object(call.arguments)}
        if call.id and call.id not in self._minted:
            called["id"] = call.id
        part: dict[str, Any] = {"functionCall": called}
        if call.signature is not None:
            part["thoughtSignature"] = call.signature
        return part

    def _result(self, result: ToolResult, path: str) -> WirePart:
        name = result.name or self._names.get(result.call_id)
        if name is None:
            raise InvalidRequest(
                f"`{path}` answers the call `{result.call_id}`, which no earlier turn made. "
                "Send the assistant's turn with that call before its result.",
                param=path,
            )
        texts = [part.text for part in result.parts if isinstance(part, Text)]
        answered: dict[str, Any] = {
            "name": name,
            "response": response_of_text("\n".join(texts), is_error=result.is_error) if texts else {},
        }
        if result.call_id and result.call_id not in self._minted:
            answered["id"] = result.call_id
        held = [self._part(part, Role.TOOL, path) for part in result.parts if self._is_held(part)]
        if held:
            answered["parts"] = held
        return {"functionResponse": answered}

    def _is_held(self, part: Part) -> bool:
        """Say whether a part of a result goes into the result itself: pictures and documents, from Gemini 3 on."""
        if self._speaker is Dialect.GEMINI or isinstance(part, NativePart):
            return not isinstance(part, Text)
        return self._results_hold_media and isinstance(part, Media) and part.kind in _HELD

    def _media_beside(self, result: ToolResult, path: str) -> list[WirePart]:
        """Return the media of a result that stand beside it in the content, where the result cannot hold them."""
        beside = [part for part in result.parts if isinstance(part, Media) and not self._is_held(part)]
        return [media_part(part, self._speaker, path, self._changes) for part in beside]

    def _leave_out(self, dialect: Dialect, role: Role, path: str) -> None:
        if role is not Role.ASSISTANT:
            raise InvalidRequest(
                f"`{path}` is content that only {dialect} can say; Gemini has nothing like it. Leave it out.",
                param=path,
            )
        self._changes.append(dropped(path, f"what {dialect} did itself"))


def _ids_of_ours(request: ChatRequest) -> frozenset[str]:
    if request.dialect is not Dialect.GEMINI:
        return frozenset()
    parts = (part for message in request.messages for part in message.parts)
    return minted_ids(sum(isinstance(part, ToolCall | ToolResult) for part in parts))


def _sign_first_call(parts: list[WirePart]) -> None:
    calls = [part for part in parts if isinstance(part, dict) and "functionCall" in part]
    if calls and not any("thoughtSignature" in call for call in calls):
        calls[0]["thoughtSignature"] = _UNSIGNED
