"""A conversation as the system prompt and the alternating turns that Anthropic takes.

Law: neighbours of one role are one turn, results of tools come first in it, the first turn is a user's. Anthropic's
newest models read system turns in the middle of a conversation: a caller of Anthropic's keeps them there, those of
others go to the system prompt, for they may reach any model.
"""

from typing import Any, Final

from msgspec import Struct

from gantry.core.chat import ChatRequest, Message, Role
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.write_content import Block, Turn, write_parts
from gantry.dialects.caller_names import turn_names
from gantry.dialects.changes import Change, converted, dropped

_OPENING: Final[Block] = {"type": "text", "text": "."}


class Conversation(Struct):
    system: list[Block]
    turns: list[dict[str, Any]]


def write_conversation(request: ChatRequest, changes: list[Change]) -> Conversation:
    """Return the conversation in Anthropic's form. Raises InvalidRequest for content it cannot hold."""
    own = request.dialect is Dialect.ANTHROPIC
    conversation = Conversation([], [])
    for name, message in zip(turn_names(request), request.messages, strict=True):
        if message.name is not None:
            changes.append(dropped(f"{name}.name"))
        turn = Turn(name, request.dialect, changes, by_user=message.role is not Role.ASSISTANT)
        blocks = write_parts(message.parts, turn)
        if message.role is not Role.SYSTEM:
            _add_turn(conversation.turns, "assistant" if message.role is Role.ASSISTANT else "user", blocks)
        elif own and conversation.turns:
            _add_turn(conversation.turns, "system", blocks)
        else:
            _add_system(conversation, message, blocks, turn)
    _results_first(conversation.turns)
    if not own:
        _open(conversation.turns, changes)
        _trim_prefill(conversation.turns, changes)
    return conversation


def _add_turn(turns: list[dict[str, Any]], role: str, blocks: list[Block]) -> None:
    if not blocks:
        return
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    else:
        turns.append({"role": role, "content": blocks})


def _add_system(conversation: Conversation, message: Message, blocks: list[Block], turn: Turn) -> None:
    for block in blocks:
        if turn.dialect is not Dialect.ANTHROPIC and not (isinstance(block, dict) and block["type"] == "text"):
            raise InvalidRequest(f"`{turn.name}` may hold text only: it is the system prompt", param=turn.name)
    if conversation.turns and blocks:
        turn.changes.append(converted(turn.name, "to a part of the system prompt"))
    conversation.system += blocks


def _results_first(turns: list[dict[str, Any]]) -> None:
    for turn in turns:
        if turn["role"] == "user":
            turn["content"].sort(key=lambda block: not (isinstance(block, dict) and block["type"] == "tool_result"))


def _open(turns: list[dict[str, Any]], changes: list[Change]) -> None:
    """Put a user's turn in front of a conversation that has none there; Anthropic demands one."""
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, {"role": "user", "content": [_OPENING]})
        changes.append(converted("messages", "by a user's turn put in front, `.`"))


def _trim_prefill(turns: list[dict[str, Any]], changes: list[Change]) -> None:
    """Cut the blanks off the end of a beginning of the answer: Anthropic refuses them."""
    last = turns[-1]["content"][-1]
    if turns[-1]["role"] == "assistant" and isinstance(last, dict) and last["type"] == "text":
        text = last["text"].rstrip()
        if text != last["text"]:
            last["text"] = text
            changes.append(converted("messages", "by cutting blanks off the last assistant turn"))


def compact(blocks: list[Block]) -> str | list[Block]:
    """Return content as its text where it is nothing else."""
    if len(blocks) == 1:
        only = blocks[0]
        if isinstance(only, dict) and only.keys() == {"type", "text"}:
            text: str = only["text"]
            return text
    return blocks
