"""What is asked of a model in words where its format has no parameter for it; said once, so that all ask alike."""

from typing import Final

from gantry.dialects.changes import Change, converted

ANY_JSON: Final = "Answer with one JSON object and nothing else: no explanation and no code fence."
BY_SCHEMA: Final = (
    "Answer with JSON that this JSON schema allows, and nothing else: no explanation and no code fence.\n"
)


def instructed(parameter: str) -> Change:
    return converted(parameter, "to an instruction in the system prompt")
