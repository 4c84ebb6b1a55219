"""Asks for answers that the test has ready: CANNED in the environment names each, and the operation to ask by."""

import json
import os
from collections.abc import Callable
from typing import Any

from tests.sdk.drivers.mistral.common import QUESTION, SOUND, client

DOCUMENT = {"type": "document_url", "document_url": "https://example.com/a.pdf"}


def stream(mistral: Any, model: str, headers: Any) -> None:
    with mistral.chat.stream(model=model, messages=QUESTION, http_headers=headers) as events:
        list(events)


OPERATIONS: dict[str, Callable[[Any, str, Any], Any]] = {
    "chat": lambda mistral, model, headers: mistral.chat.complete(model=model, messages=QUESTION, http_headers=headers),
    "stream": stream,
    "fim": lambda mistral, model, headers: mistral.fim.complete(model=model, prompt="a", http_headers=headers),
    "agents": lambda mistral, model, headers: mistral.agents.complete(
        agent_id=model, messages=QUESTION, http_headers=headers
    ),
    "embeddings": lambda mistral, model, headers: mistral.embeddings.create(
        model=model, inputs="a", http_headers=headers
    ),
    "models": lambda mistral, model, headers: mistral.models.list(http_headers=headers),
    "model": lambda mistral, model, headers: mistral.models.retrieve(model_id=model, http_headers=headers),
    "moderate": lambda mistral, model, headers: mistral.classifiers.moderate(
        model=model, inputs="a", http_headers=headers
    ),
    "ocr": lambda mistral, model, headers: mistral.ocr.process(model=model, document=DOCUMENT, http_headers=headers),
    "transcribe": lambda mistral, model, headers: mistral.audio.transcriptions.complete(
        model=model, file={"file_name": "a.mp3", "content": SOUND[:9]}, http_headers=headers
    ),
}


def canned() -> Any:
    """Return what each answer became: nothing, or the classes of what the client raised and what it said."""
    mistral = client()
    found: dict[str, Any] = {}
    for name, operation in json.loads(os.environ["CANNED"]):
        try:
            OPERATIONS[operation](mistral, "mistral-small-latest", {"x-case": name})
        except Exception as error:  # noqa: BLE001 - what the client raises is the result
            found[name] = [[kind.__name__ for kind in type(error).__mro__], str(error)[:300]]
        else:
            found[name] = None
    return found
