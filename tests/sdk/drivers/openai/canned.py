"""Asks for answers that the test has ready: CANNED in the environment names each, and whether it is a stream."""

import json
import os
from typing import Any

from tests.sdk.drivers.openai.common import MODEL, QUESTION, client, folded


def canned() -> Any:
    """Return what each answer became: what it said, or the classes of what the client raised and what it said."""
    create = client().chat.completions.create
    found: dict[str, Any] = {}
    for name, operation in json.loads(os.environ["CANNED"]):
        streamed = operation == "stream"
        try:
            answer = create(model=MODEL, messages=QUESTION, stream=streamed, extra_headers={"x-case": name})
            found[name] = folded(answer) if streamed else said(answer)
        except Exception as error:  # noqa: BLE001 - what the client raises is the result
            found[name] = [[kind.__name__ for kind in type(error).__mro__], str(error)[:300]]
    return found


def said(answer: Any) -> Any:
    """Return the parts of an answer that its users rely on, in the types they come in."""
    return {
        "content": [type(choice.message.content).__name__ for choice in answer.choices],
        "finish": [choice.finish_reason for choice in answer.choices],
        "calls": [
            [type(call.id).__name__, type(call.function.arguments).__name__]
            for choice in answer.choices
            for call in choice.message.tool_calls or ()
        ],
    }
