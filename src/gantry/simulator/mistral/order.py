"""The rules of a dialogue: which role may follow which, and whose tool results these are. Raises Refusal with a 400.

Law: what newer tokenizers allow is refused only for models with an old one.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from gantry.simulator.mistral.errors import error, message_order
from gantry.simulator.mistral.requests import AnyMessage, AssistantMessage, SystemMessage, ToolMessage, UserMessage
from gantry.simulator.routes import Refusal

_TOOL_CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")
_FOLLOWERS: dict[str, tuple[type[AnyMessage], ...]] = {
    "system": (SystemMessage, UserMessage, AssistantMessage),
    "user": (SystemMessage, UserMessage, AssistantMessage),
    "assistant": (UserMessage, AssistantMessage, ToolMessage),
    "tool": (UserMessage, AssistantMessage, ToolMessage),
}


def check_dialogue(messages: Sequence[AnyMessage], *, old: bool) -> None:
    """Refuse messages the model cannot take; `old` models have a tokenizer before v13."""
    _check_followers(messages, old=old)
    _check_last(messages[-1])
    _check_prefixes(messages)
    _check_results(messages, old=old)
    if old:
        _check_ids(messages)
        _check_content(messages)


def _role(message: AnyMessage) -> str:
    return str(message.__struct_config__.tag)


def _check_followers(messages: Sequence[AnyMessage], *, old: bool) -> None:
    for first, second in pairwise(messages):
        bridged = old and isinstance(first, ToolMessage) and isinstance(second, UserMessage)
        if bridged or not isinstance(second, _FOLLOWERS[_role(first)]):
            raise message_order(f"Unexpected role '{_role(second)}' after role '{_role(first)}'")
    if isinstance(messages[0], ToolMessage):
        raise message_order("Unexpected role 'tool' at the start")


def _check_last(last: AnyMessage) -> None:
    if isinstance(last, SystemMessage) or (isinstance(last, AssistantMessage) and not last.prefix):
        raise message_order(
            f"Expected last role User or Tool (or Assistant with prefix True) for serving but got {_role(last)}"
        )


def _check_prefixes(messages: Sequence[AnyMessage]) -> None:
    if any(isinstance(message, AssistantMessage) and message.prefix for message in messages[:-1]):
        raise message_order("Assistant message with prefix True must be last message")


def _check_results(messages: Sequence[AnyMessage], *, old: bool) -> None:
    """Each run of tool results answers the calls before it: as many, and by their ids."""
    called: list[str] = []
    answered = 0
    for message in messages:
        if isinstance(message, ToolMessage):
            answered += 1
            known = message.tool_call_id in (None, *called)
            if not known and not old:
                raise message_order(f"Unexpected tool call id {message.tool_call_id} in tool results")
            continue
        if answered != len(called):
            raise message_order("Not the same number of function calls and responses")
        calls = message.tool_calls if isinstance(message, AssistantMessage) else None
        called, answered = [call.id for call in calls or ()], 0
    if answered != len(called):
        raise message_order("Not the same number of function calls and responses")


def _check_ids(messages: Sequence[AnyMessage]) -> None:
    for message in messages:
        calls = message.tool_calls if isinstance(message, AssistantMessage) else None
        for call in calls or ():
            if not _TOOL_CALL_ID.fullmatch(call.id):
                text = f"Tool call id was {call.id} but must be a-z, A-Z, 0-9, with a length of 9."
                raise Refusal(error(400, text, "invalid_function_call", "3280"))


def _check_content(messages: Sequence[AnyMessage]) -> None:
    for message in messages:
        if isinstance(message, AssistantMessage) and bool(message.content) == bool(message.tool_calls):
            text = "Assistant message must have either content or tool_calls, but not both or none."
            raise Refusal(error(400, text, "invalid_request_assistant_message", "3240"))
