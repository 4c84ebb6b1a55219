"""What providers' models are, as data: one file for each provider in `models/`, strictly read.

Law: a fact is there with its source or not at all; what nobody knows is None, never a guess. Prices are not here:
`gantry.prices` has them, with their dates.
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

_FOLDER: Final = "models"


class ModelKind(StrEnum):
    CHAT = "chat"
    EMBEDDING = "embedding"
    TRANSCRIPTION = "transcription"
    SPEECH = "speech"
    REALTIME = "realtime"
    MODERATION = "moderation"
    OCR = "ocr"


class Modality(StrEnum):
    """What goes in, or comes out."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"
    VECTOR = "vector"
    LABELS = "labels"


class Capability(StrEnum):
    TOOLS = "tools"
    STRUCTURED_OUTPUT = "structured_output"
    REASONING = "reasoning"
    PROMPT_CACHING = "prompt_caching"
    PREFILL = "prefill"
    FIM = "fim"
    WEB_SEARCH = "web_search"
    COMPUTER_USE = "computer_use"


class ModelFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """One model. The first of its names is its own, the others lead to it; sizes are in tokens.

    What goes in and comes out is empty, and the kind None, where nobody has said.
    """

    names: tuple[str, ...]
    kind: ModelKind | None = ModelKind.CHAT
    context_window: int | None = None
    max_output: int | None = None
    input: tuple[Modality, ...] = (Modality.TEXT,)
    output: tuple[Modality, ...] = (Modality.TEXT,)
    capabilities: tuple[Capability, ...] = ()
    deprecated: bool = False
    retires: date | None = None  # the day from which its provider may answer for it no more
    replacement: str | None = None


class FactsUnreadable(ValueError):
    """A file of facts cannot be used; the message names file and key."""


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    model: tuple[ModelFacts, ...]


# Learnt here, before there are threads (providers/spec.py says why).
_learnt: Final = msgspec.json.Decoder(_File)


def parse_facts(text: str, source: str) -> tuple[ModelFacts, ...]:
    """Return the facts in a TOML document. Raises FactsUnreadable."""
    try:
        models = msgspec.convert(tomllib.loads(text), _File).model
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise FactsUnreadable(f"{source}: {error}") from error
    seen: set[str] = set()
    for model in models:
        for name in model.names:
            if name in seen:
                raise FactsUnreadable(f"{source}: two models are called {name}")
            seen.add(name)
        if not model.names:
            raise FactsUnreadable(f"{source}: a model has no name")
    return models


def load_facts() -> Mapping[str, tuple[ModelFacts, ...]]:
    """Return what this version knows about models, by the provider's id."""
    return {
        entry.name.removesuffix(".toml"): parse_facts(entry.read_text(encoding="utf-8"), entry.name)
        for entry in sorted((Path(__file__).parent / _FOLDER).iterdir(), key=lambda item: item.name)
        if entry.name.endswith(".toml")
    }
