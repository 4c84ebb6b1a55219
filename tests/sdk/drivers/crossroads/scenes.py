"""Plays the same scenes with every client at every provider: one JSON line for each on stdout.

A client's driver gives its surfaces: the ways in which it can ask. A surface has a method for each case it knows, which
takes the model and the words to ask with, and returns what came of it in the form that all clients share:

    text, stream, system, image   {"text": …, "finish": …, "tokens": [input, output]}; of a stream also how many pieces
    tools, tools_stream           {"name": …, "arguments": {…}, "after": what was said when the tool had answered}
    tools_both                    {"names": of the two that were called, "after": …}
    structured, parsed            the wagon: by a schema, and by a class that the client makes one of
    thought                       as text, with the thinking that was shown as "thought"
    thought_tools                 as tools, with all that was thought sent back
    embeddings, counted           {"tokens": [input]}; of vectors also how many "numbers"
    left                          {"first": the piece after which the client left}

The other cases are those in which `text` or `stream` must fail. All of it runs at once, for most of it is waiting. It
runs in a client's own environment, and so imports nothing but the standard library.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeAlias

Make: TypeAlias = Callable[[str, str], Any]  # from the gateway's URL and a key to a surface
Scene: TypeAlias = tuple[str, str, str, Callable[[], Any]]  # surface, case, provider, what to do

CASES = (
    *("text", "stream", "system", "image", "tools", "tools_stream", "tools_both", "structured", "parsed", "counted"),
    *("left", "thought", "thought_tools", "embeddings"),
)
STATUSES = (404, 422, 429, 500)
STALL = "--sim-stall-60"
BROKEN = "--sim-cut-between-events"
SYSTEM = "Speak like a gantry."
PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # 1 x 1, a PNG
)
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city", "days"],
}
WAGON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "axles": {"type": "integer"},
        "loads": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "axles", "loads"],
    "additionalProperties": False,
}
SUNNY = "22 degrees and sunny"
CLOCK = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
BOTH = "Ask get_weather and get_time."


def play(surfaces: Mapping[str, Make]) -> None:
    """Play all scenes of a client, or those whose surface, case or provider the arguments name."""
    wanted = set(sys.argv[1:])
    scenes = [scene for scene in _scenes(surfaces) if wanted <= set(scene[:3])]
    with ThreadPoolExecutor(8) as pool:
        for line in pool.map(_outcome, scenes):
            sys.stdout.write(json.dumps(line, default=str) + "\n")
            sys.stdout.flush()


def _scenes(surfaces: Mapping[str, Make]) -> Iterator[Scene]:
    url = os.environ["URL"]
    models, thinkers, embedders = (json.loads(os.environ[name]) for name in ("MODELS", "THINKERS", "EMBEDDERS"))
    for name, make in surfaces.items():
        known, stranger = make(url, os.environ["KEY"]), make(url, "a-key-of-nobody")
        for provider, model in models.items():
            special = {
                "left": model + STALL,
                **dict.fromkeys(("thought", "thought_tools"), thinkers[provider]),
                "embeddings": embedders.get(provider),
            }
            for case, ask, asked in _cases(known, stranger, model, special):
                yield name, case, provider, partial(ask, asked, f"Hello from {name} {case} {provider}!")


def _cases(
    known: Any, stranger: Any, model: str, special: Mapping[str, str | None]
) -> Iterator[tuple[str, Callable[[str, str], Any], str]]:
    """Yield the name of each case, what asks in it, and which model: the usual one or, of a case, a special one."""
    for case in CASES:
        asked = special.get(case, model)
        if hasattr(known, case) and asked is not None:
            yield case, getattr(known, case), asked
    if not hasattr(known, "text"):
        return
    yield "error_401", stranger.text, model
    yield "error_unknown", known.text, "nowhere/no-such-model"
    for status in STATUSES:
        yield f"error_{status}", known.text, f"{model}--sim-status-{status}"
    if hasattr(known, "stream"):
        yield "stream_429", known.stream, f"{model}--sim-status-429"
        yield "stream_broken", known.stream, model + BROKEN


def _outcome(scene: Scene) -> dict[str, Any]:
    surface, case, provider, ask = scene
    line = {"surface": surface, "case": case, "provider": provider}
    try:
        return {**line, "result": ask()}
    except Exception as error:  # noqa: BLE001 - what the client raises is the result
        classes = [kind.__name__ for kind in type(error).__mro__]
        return {**line, "error": classes, "status": status_of(error), "message": str(error)[:2000]}


def status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status that a client's error has, or the error behind it."""
    while error is not None:
        holders = (error, getattr(error, "response", None), getattr(error, "raw_response", None))
        for status in (getattr(holder, name, None) for holder in holders for name in ("status_code", "code")):
            if isinstance(status, int):
                return status
        error = error.__cause__ or error.__context__
    return None


def told(text: str | None, finish: Any, *tokens: int | None, pieces: int | None = None) -> dict[str, Any]:
    """Return what an answer said in the form that all clients share."""
    said = {"text": text, "finish": finish, "tokens": list(tokens)}
    return said if pieces is None else {**said, "pieces": pieces}
