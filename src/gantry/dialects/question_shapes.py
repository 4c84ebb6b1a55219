"""The shapes that a request is decoded into for the record.

Apart from `dialects.question`, which is compiled: structs there would lose the types of their fields.
"""

from typing import Final

from msgspec import Raw, Struct

from gantry.dialects.chat_shapes import ABSENT


class AskedParts(Struct, gc=False):
    """The parts of a request that the record wants."""

    messages: Raw = ABSENT
    prompt: Raw = ABSENT
    suffix: Raw = ABSENT
    input: Raw = ABSENT
    inputs: Raw = ABSENT
    texts: Raw = ABSENT  # Cohere's, to embed
    query: Raw = ABSENT
    documents: Raw = ABSENT
    instructions: Raw = ABSENT
    tools: Raw = ABSENT
    temperature: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    bbox_annotation_format: Raw = ABSENT
    document_annotation_format: Raw = ABSENT


class NamedFunction(Struct, gc=False):
    name: str | None = None


class OfferedTool(Struct, gc=False):
    type: str | None = None
    name: str | None = None
    function: NamedFunction | None = None


class RealtimeMessage(Struct, omit_defaults=True, gc=False):
    """What a realtime caller sends."""

    type: str | None = None
    text: str | None = None
    audio: Raw = ABSENT


class Units(Struct, frozen=True, omit_defaults=True):
    """What only the request tells of the units of a call."""

    characters: int | None = None
    annotated: bool = False  # all pages of an OCR


NO_UNITS: Final = Units()
