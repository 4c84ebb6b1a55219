"""The rules of a Converse dialogue. Raises Refusal with a 400 that names the place."""

from collections.abc import Sequence

from gantry.simulator.anthropic import signatures
from gantry.simulator.bedrock.errors import constraint, invalid
from gantry.simulator.bedrock.requests import Block, ConverseRequest, Message

_ROLES = ("user", "assistant")


def check_dialogue(request: ConverseRequest) -> None:
    messages = request.messages
    if not messages:
        raise invalid("A conversation must contain at least one message. Try again with a message.")
    for index, message in enumerate(messages):
        _check_message(message, index)
    if messages[0].role != "user":
        hint = "Try again with a conversation that starts with a user message."
        raise invalid(f"A conversation must start with a user message. {hint}")
    blocks = [block for message in messages for block in message.content]
    if request.tool_config is None and any(block.tool_use or block.tool_result for block in blocks):
        raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    _check_results(messages)
    wanted = request.choice.tool
    if wanted is not None and wanted.name not in [tool.name for tool in request.tools]:
        raise invalid(f"The tool choice {wanted.name} is not in the toolConfig. Choose one of its tools.")


def _check_message(message: Message, index: int) -> None:
    if message.role not in _ROLES:
        rule = f"satisfy enum value set: [{', '.join(_ROLES)}]"
        raise constraint(message.role, f"messages.{index + 1}.member.role", rule)
    if not message.content:
        text = f"The content field in the Message object at messages.{index} is empty."
        raise invalid(f"{text} Add a ContentBlock object to the content field and try again.")
    for number, block in enumerate(message.content):
        _check_block(block, index, number)


def _check_block(block: Block, index: int, number: int) -> None:
    place = f"messages.{index}.content.{number}"
    if block.text is not None and not block.text.strip():
        text = f"The text field in the ContentBlock object at {place} is blank."
        raise invalid(f"{text} Add text to the text field, and try again.")
    shown = block.reasoning_content.reasoning_text if block.reasoning_content else None
    hidden = block.reasoning_content.redacted_content if block.reasoning_content else None
    if shown is not None and not signatures.is_signature(shown.signature, shown.text):
        raise invalid(f"The model returned the following errors: {place}: Invalid `signature` in `thinking` block")
    if hidden is not None and not signatures.is_redacted(hidden):
        raise invalid(f"The model returned the following errors: {place}: Invalid `data` in `redacted_thinking` block")


def _check_results(messages: Sequence[Message]) -> None:
    called: list[str] = []
    for index, message in enumerate(messages):
        results = [block.tool_result.tool_use_id for block in message.content if block.tool_result]
        if message.role == "assistant":
            called = [block.tool_use.tool_use_id for block in message.content if block.tool_use]
            continue
        if len(results) > len(called):
            text = f"The number of toolResult blocks at messages.{index}.content exceeds the number of toolUse blocks"
            raise invalid(f"{text} of previous turn.")
        absent = [name for name in called if name not in results]
        if absent:
            raise invalid(
                f"Expected toolResult blocks at messages.{index}.content for the following Ids: {', '.join(absent)}"
            )
        called = []
