"""What Azure adds to a chat answer: what its filter found in the prompt, and in each choice.

A stream begins with a chunk that has no choice, no id and no model, only what was found in the prompt.
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from gantry.simulator.azure.errors import KINDS
from gantry.simulator.exchange import Answer, event, json_answer

_SAFE = {name: {"filtered": False, "severity": "safe"} for name in KINDS}
_PROMPT = [
    {"prompt_index": 0, "content_filter_results": {**_SAFE, "jailbreak": {"filtered": False, "detected": False}}}
]
_OPENING = {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": _PROMPT}
_DATA = b"data: {"


def annotated(answer: Answer) -> Answer:
    """Return a chat answer with the findings. Errors pass as they are."""
    if answer.status != 200:
        return answer
    if answer.streamed:
        parts = [_chunk(part) if part.startswith(_DATA) else part for part in answer.parts]
        return replace(answer, parts=(event(_OPENING), *parts), weights=(0, *answer.weights))
    whole = msgspec.json.decode(answer.body)
    choices = [_found(choice) for choice in whole["choices"]]
    return json_answer({**whole, "choices": choices, "prompt_filter_results": _PROMPT}, headers=answer.headers)


def _chunk(part: bytes) -> bytes:
    chunk = msgspec.json.decode(part[len(_DATA) - 1 :])
    return event({**chunk, "choices": [_found(choice) for choice in chunk["choices"]]})


def _found(choice: dict[str, Any]) -> dict[str, Any]:
    said = choice.get("message") or choice.get("delta") or {}
    return {**choice, "content_filter_results": _SAFE if said.get("content") else {}}
