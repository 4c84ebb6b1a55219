"""What an answer used, by what could be read of it: told by its provider, or else estimated.

Law: an answer that broke off, or came to its end without telling its usage, is not free.
"""

from typing import Final

from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Operation
from gantry.dialects.estimate import complete_usage, count_tokens, is_of_beginning
from gantry.dialects.fold import Answer

SPOKEN: Final = frozenset(  # whose answers are words, and are paid for by the word
    (
        Operation.CHAT,
        Operation.FIM,
        Operation.COMPLETIONS,
        Operation.AGENT_CHAT,
        Operation.RESPONSES,
        Operation.CONVERSATIONS,
    )
)


def usage_of_answer(operation: Operation, answer: Answer, asked: str | None) -> Usage:
    """Return the usage of an answer. `asked` is what the request says, as far as it is known."""
    told = answer.usage
    if operation not in SPOKEN or (answer.complete and told != NO_USAGE):
        return told
    said = answer.messages or "".join(filter(None, (answer.reasoning, answer.text, answer.tool_calls)))
    if not said:
        return told
    output_tokens = count_tokens(said)
    if told.output_tokens is not None and not is_of_beginning(told.output_tokens, output_tokens):
        return told
    return complete_usage(told, count_tokens(asked) if asked else None, output_tokens)
