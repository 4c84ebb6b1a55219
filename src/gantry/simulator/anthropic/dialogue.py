"""The rules of a dialogue: who says what, whose results these are, and thinking that came back unchanged.

Turns of one role in a row are read as one, as the real API does. Raises Refusal with a 400 that names the place.
"""

from collections.abc import Sequence

from gantry.simulator.anthropic import signatures
from gantry.simulator.anthropic.blocks import (
    AnyBlock,
    DocumentBlock,
    RedactedBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from gantry.simulator.anthropic.catalog import Model
from gantry.simulator.anthropic.errors import invalid, misplaced
from gantry.simulator.anthropic.requests import Countable, Enabled, Message
from gantry.simulator.anthropic.versions import Version

_USER, _ASSISTANT = "user", "assistant"
_ONLY_BY = {
    "tool_use": _ASSISTANT,
    "thinking": _ASSISTANT,
    "redacted_thinking": _ASSISTANT,
    "server_tool_use": _ASSISTANT,
    "tool_result": _USER,
    "image": _USER,
}
_MOST_MARKS = 4


def check_dialogue(request: Countable, model: Model, version: Version) -> None:
    messages = request.messages
    if not messages:
        raise invalid("messages: at least one message is required")
    for index, message in enumerate(messages):
        _check_message(message, index, model, last=index == len(messages) - 1)
    if version is Version.NEWEST:
        _check_newest(messages)
    if messages[0].role != _USER:
        raise invalid('messages: first message must use the "user" role')
    _check_tool_results(messages)
    _check_end(request, model)
    if isinstance(request.thinking, Enabled):
        _check_thinking_kept(messages)
    _check_marks(request)


def _check_message(message: Message, index: int, model: Model, *, last: bool) -> None:
    if message.role == "system" and not model.system_turns:
        text = 'The Messages API accepts a top-level `system` parameter, not "system" as an input message role.'
        raise invalid(f'messages: Unexpected role "system". {text}')
    if message.role not in (_USER, _ASSISTANT, "system"):
        raise misplaced(("messages", index, "role"), "Input should be 'user' or 'assistant'")
    if not message.content and not (last and message.role == _ASSISTANT):
        text = "all messages must have non-empty content except for the optional final assistant message"
        raise misplaced(("messages", index), text)
    for number, block in enumerate(message.blocks if message.content else ()):
        _check_block(block, message.role, ("messages", index, "content", number))


def _check_block(block: AnyBlock, role: str, where: tuple[str | int, ...]) -> None:
    if _ONLY_BY.get(block.kind, role) != role:
        raise misplaced(where, f"`{block.kind}` blocks can only be in `{_ONLY_BY[block.kind]}` messages")
    match block:
        case TextBlock(text=""):
            raise invalid("messages: text content blocks must be non-empty")
        case TextBlock(text=text) if not text.strip():
            raise invalid("messages: text content blocks must contain non-whitespace text")
        case ThinkingBlock(thinking=thinking, signature=signature):
            if not signatures.is_signature(signature, thinking):
                raise misplaced(where, "Invalid `signature` in `thinking` block")
        case RedactedBlock(data=data):
            if not signatures.is_redacted(data):
                raise misplaced(where, "Invalid `data` in `redacted_thinking` block")
        case _:
            pass


def _check_newest(messages: Sequence[Message]) -> None:
    """Refuse what the newest version of the API no longer takes."""
    for index, message in enumerate(messages):
        for number, block in enumerate(message.blocks):
            where = ("messages", index, "content", number)
            if isinstance(block, DocumentBlock) and message.role == _ASSISTANT:
                raise misplaced(where, "`document` blocks can only be in `user` messages")
            if isinstance(block, TextBlock) and block.citations and message.role == _USER:
                raise misplaced((*where, "text", "citations"), "`citations` can only be in `assistant` messages")


def _check_tool_results(messages: Sequence[Message]) -> None:
    """Each call has one result at the head of the next message, and each result its call."""
    known: set[str] = set()
    called: list[str] = []
    for index, message in enumerate(messages):
        if message.role == _ASSISTANT:
            if called and messages[index - 1].role == _ASSISTANT:
                raise _unanswered(index - 1, called)
            called = [block.id for block in message.blocks if isinstance(block, ToolUseBlock)]
            if len(known | set(called)) < len(known) + len(called):
                raise invalid("messages: `tool_use` ids must be unique")
            known |= set(called)
            continue
        answered = _leading_results(message, index, called)
        unanswered = [name for name in called if name not in answered]
        if unanswered:
            raise _unanswered(index - 1, unanswered)
        called = []
    if called:
        raise _unanswered(len(messages) - 1, called)


def _leading_results(message: Message, index: int, called: Sequence[str]) -> set[str]:
    answered: set[str] = set()
    leading = True
    for number, block in enumerate(message.blocks):
        if not isinstance(block, ToolResultBlock):
            leading = False
            continue
        where = ("messages", index, "content", number)
        if block.tool_use_id not in called:
            text = f"unexpected `tool_use_id` found in `tool_result` blocks: {block.tool_use_id}."
            rule = "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            raise misplaced(where, f"{text} {rule}")
        if block.tool_use_id in answered:
            text = f"Found multiple `tool_result` blocks with id: {block.tool_use_id}"
            raise misplaced(where, f"each tool_use must have a single result. {text}")
        if leading:
            answered.add(block.tool_use_id)
    return answered


def _unanswered(index: int, names: Sequence[str]) -> Exception:
    text = f"`tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(names)}."
    rule = "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    return misplaced(("messages", index), f"{text} {rule}")


def _check_end(request: Countable, model: Model) -> None:
    last = request.messages[-1]
    if last.role != _ASSISTANT:
        return
    if request.thinks or not model.prefill:
        text = "This model does not support assistant message prefill."
        raise invalid(f"{text} The conversation must end with a user message.")
    block = last.blocks[-1] if last.blocks else None
    if isinstance(block, TextBlock) and block.text != block.text.rstrip():
        raise invalid("messages: final assistant content cannot end with trailing whitespace")


def _check_thinking_kept(messages: Sequence[Message]) -> None:
    """With a budget, the turn whose tools were just called begins with the thinking that led there."""
    if len(messages) < 2 or not any(isinstance(block, ToolResultBlock) for block in messages[-1].blocks):
        return
    first = messages[-2].blocks[0]
    if not isinstance(first, ThinkingBlock | RedactedBlock):
        text = f"Expected `thinking` or `redacted_thinking`, but found `{first.kind}`. When `thinking` is enabled, a"
        rule = "final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use`"
        place = ("messages", len(messages) - 2, "content", 0, "type")
        raise misplaced(place, f"{text} {rule} and `tool_result` blocks).")


def _check_marks(request: Countable) -> None:
    blocks = [block for message in request.messages for block in message.blocks]
    system = request.system if isinstance(request.system, list) else []
    marks = sum(item.cache_control is not None for item in (*(request.tools or ()), *system, *blocks))
    if marks > _MOST_MARKS:
        raise invalid(f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {marks}.")
