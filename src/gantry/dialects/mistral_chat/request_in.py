"""A Mistral chat request in canonical words.

Law: as for OpenAI's. `safe_prompt` becomes the sentence it stands for, because it must hold wherever the call goes;
what asks for a check that only Mistral makes (`guardrails`) is kept, and refused elsewhere.
"""

from typing import Final

import msgspec

from gantry.core.chat import ChatRequest, Effort, Message, Reasoning, Role, Text, Thinking
from gantry.core.vocabulary import Dialect
from gantry.dialects.effort import effort_of_word
from gantry.dialects.mistral_chat.parts import read_part
from gantry.dialects.openai_chat.messages_in import read_messages
from gantry.dialects.openai_chat.request_in import common_fields, unknown_members
from gantry.dialects.openai_chat.shapes import MistralRequestIn
from gantry.dialects.openai_chat.tools import read_tools
from gantry.dialects.read_exactly import read_exactly
from gantry.dialects.unknown_chunks import unwrap_unknown

SAFE_PROMPT: Final = (
    "Be helpful, honest and respectful. Write nothing that is harmful, unethical, prejudiced or unfair."
)
_KNOWN: Final = frozenset(MistralRequestIn.__struct_fields__)
_BY_PROMPT: Final = "reasoning"
_decode: Final = msgspec.json.Decoder(MistralRequestIn).decode


def decode_request(body: bytes) -> ChatRequest:
    """Return what a client asks. Raises InvalidRequest."""
    body = unwrap_unknown(body)
    given = read_exactly(_decode, body)
    messages = [_plain_system(one) for one in read_messages(Dialect.MISTRAL, body, given.messages, read_part)]
    if given.safe_prompt:
        messages.insert(0, Message(Role.SYSTEM, (Text(SAFE_PROMPT),)))
    return ChatRequest(
        **common_fields(Dialect.MISTRAL, given),
        messages=tuple(messages),
        tools=read_tools(Dialect.MISTRAL, body, given.tools or ()),
        reasoning=_reasoning(given),
        seed=given.random_seed,
        extra=unknown_members(body, given, _KNOWN),
    )


def _reasoning(given: MistralRequestIn) -> Reasoning | None:
    effort = effort_of_word(given.reasoning_effort) if given.reasoning_effort is not None else None
    if effort is None and given.prompt_mode == _BY_PROMPT:
        effort = Effort.MEDIUM
    if effort is None:
        return None
    return Reasoning(effort, shown=None if effort is Effort.NONE else True)  # Mistral shows all of it, unasked


def _plain_system(message: Message) -> Message:
    """Return a system message with its chunks of thinking as text: they show the model how to think."""
    if message.role is not Role.SYSTEM or not any(isinstance(part, Thinking) for part in message.parts):
        return message
    parts = tuple([Text(part.text) if isinstance(part, Thinking) else part for part in message.parts])
    return Message(Role.SYSTEM, parts)
