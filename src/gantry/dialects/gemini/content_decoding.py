"""The contents of a request, as turns of the canonical chat.

Law: a content of results and of words is two turns, the results first, as every other format wants them. Calls and
results that carry no id are numbered through the conversation, so that a result finds its call: by its id, else the
first unanswered call of its name, else the first unanswered call.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Raw

from gantry.core.chat import Media, Message, NativePart, Part, Role, Text, Thinking, ToolCall, ToolResult
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.gemini.media import read_media
from gantry.dialects.gemini.spelling import read_fields, read_flag, read_list
from gantry.dialects.gemini.tool_results import text_of_response
from gantry.dialects.members import Members, check_object, encode, is_text, read, read_text
from gantry.dialects.tool_terms import mint_call_id
from gantry.dialects.waiting_calls import WaitingCalls

_SEED: Final = "gemini/contents"
_ROLES: Final = {
    "user": Role.USER,
    "model": Role.ASSISTANT,
    "function": Role.USER,
    "tool": Role.USER,
    "system": Role.SYSTEM,
}
_MEDIA: Final = frozenset(("inlineData", "fileData"))
_ABOUT_A_PART: Final = frozenset(("thought", "thoughtSignature", "mediaResolution", "partMetadata"))


def minted_ids(count: int) -> frozenset[str]:
    """Return the ids that calls and results without one were given, in a conversation of so many of them."""
    return frozenset(mint_call_id(_SEED, number) for number in range(count))


def read_contents(raw: Raw, path: str) -> list[Message]:
    """Return the turns of `contents`. Raises InvalidRequest."""
    messages: list[Message] = []
    calls = _Calls()
    for number, item in enumerate(read_list(raw, path, "a list of contents")):
        messages += _read_content(item, f"{path}[{number}]", calls)
    return messages


def read_system(raw: Raw, path: str) -> list[Message]:
    """Return the system turn that `systemInstruction` is: a content, or its text alone."""
    if is_text(raw):
        return [Message(Role.SYSTEM, (Text(read_text(raw, path)),))]
    parts = _read_parts(read_fields(raw, path, "a content"), path, _Calls())
    return [Message(Role.SYSTEM, tuple(parts))] if parts else []


def _read_content(raw: Raw, path: str, calls: "_Calls") -> Iterable[Message]:
    content = read_fields(raw, path, "a content")
    word = read_text(content["role"], f"{path}.role") if "role" in content else "user"
    role = _ROLES.get(word)
    if role is None:
        raise InvalidRequest(f"`{path}.role` must be `user` or `model`, not `{word}`", param=f"{path}.role")
    parts = _read_parts(content, path, calls)
    results = tuple(part for part in parts if isinstance(part, ToolResult))
    if results:
        yield Message(Role.TOOL, results)
    others = tuple(part for part in parts if not isinstance(part, ToolResult))
    if others:
        yield Message(role, others)


def _read_parts(content: Members, path: str, calls: "_Calls") -> list[Part]:
    parts: list[Part] = []
    if "parts" in content:
        for number, raw in enumerate(read_list(content["parts"], f"{path}.parts", "a list of parts")):
            parts += _read_part(raw, f"{path}.parts[{number}]", calls)
    return parts


def _read_part(raw: Raw, path: str, calls: "_Calls") -> list[Part]:
    part = read_fields(raw, path, "a part")
    thought = "thought" in part and read_flag(part["thought"], f"{path}.thought")
    signature = read_text(part["thoughtSignature"], f"{path}.thoughtSignature") if "thoughtSignature" in part else None
    kinds = part.keys() - _ABOUT_A_PART
    if kinds == {"functionCall"}:
        return [_read_call(part["functionCall"], f"{path}.functionCall", signature, calls)]
    if kinds == {"functionResponse"}:
        return [_read_result(part["functionResponse"], f"{path}.functionResponse", calls)]
    if kinds == {"text"} or not kinds:
        text = read_text(part["text"], f"{path}.text") if kinds else ""
        return _said(raw, text, signature, thought=thought)
    if len(kinds) == 1 and kinds <= _MEDIA and not thought:
        return [*_seal(signature), read_media(part, path)]
    return [NativePart(Dialect.GEMINI, raw)]


def _said(raw: Raw, text: str, signature: str | None, *, thought: bool) -> list[Part]:
    if thought:
        return [Thinking(text, signature, dialect=None if signature is None else Dialect.GEMINI)]
    if signature is None:
        return [Text(text)]
    if not text:
        return [NativePart(Dialect.GEMINI, raw)]
    return [*_seal(signature), Text(text)]


def _seal(signature: str | None) -> list[Part]:
    return [] if signature is None else [Thinking(sealed=signature, dialect=Dialect.GEMINI)]


def _read_call(raw: Raw, path: str, signature: str | None, calls: "_Calls") -> ToolCall:
    call = read_fields(raw, path)
    name = read_text(call.get("name"), f"{path}.name")
    given = read_text(call["id"], f"{path}.id") if "id" in call else None
    arguments = bytes(check_object(call["args"], f"{path}.args")).decode() if "args" in call else ""
    return ToolCall(calls.called(given, name), name, arguments, signature=signature)


def _read_result(raw: Raw, path: str, calls: "_Calls") -> ToolResult:
    result = read_fields(raw, path)
    name = read_text(result.get("name"), f"{path}.name")
    given = read_text(result["id"], f"{path}.id") if "id" in result else None
    text, is_error = "", False
    if "response" in result:
        text, is_error = read(text_of_response, result["response"], f"{path}.response", "an object")
    parts: list[Text | Media | NativePart] = [Text(text)] if "response" in result else []
    if "parts" in result:
        for number, item in enumerate(read_list(result["parts"], f"{path}.parts", "a list of parts")):
            where = f"{path}.parts[{number}]"
            fields = read_fields(item, where, "a part")
            one = len(_MEDIA & fields.keys()) == 1
            parts.append(read_media(fields, where) if one else NativePart(Dialect.GEMINI, encode(item)))
    return ToolResult(calls.answered(given, name), tuple(parts), name=name, is_error=is_error)


class _Calls:
    """The calls of a conversation that wait for their results, and the ids of those that came without one."""

    __slots__ = ("_minted", "_waiting")

    def __init__(self) -> None:
        self._waiting = WaitingCalls()
        self._minted = 0

    def called(self, given: str | None, name: str) -> str:
        known = given or self._mint()
        self._waiting.add(known, name)
        return known

    def answered(self, given: str | None, name: str) -> str:
        return self._waiting.answer(given, name) or given or self._mint()

    def _mint(self) -> str:
        minted = mint_call_id(_SEED, self._minted)
        self._minted += 1
        return minted
