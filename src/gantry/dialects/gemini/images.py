"""OpenAI's `/images/generations` on Gemini's image models, which draw by `generateContent`.

Law: one call draws one picture, and comes back as base64, which is what OpenAI's current models do as well. Its size is
a proportion to Gemini; pixels that stand for none that it knows are refused.
Spec: https://ai.google.dev/gemini-api/docs/image-generation
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import InvalidRequest, UpstreamBroke
from gantry.dialects.changes import Change, converted, dropped
from gantry.dialects.fields import object_members
from gantry.dialects.gemini.spelling import standard_base64
from gantry.dialects.gemini.usage import read_usage
from gantry.dialects.members import NULL, UNREADABLE, asks_nothing, encode, read_text

_PROPORTIONS: Final[Mapping[str, str]] = {
    "1024x1024": "1:1",
    "1536x1024": "3:2",
    "1024x1536": "2:3",
    "1792x1024": "16:9",
    "1024x1792": "9:16",
}
_AUTO: Final = encode("auto")
_ONE: Final = Raw(b"1")
_UNDERSTOOD: Final = frozenset(("model", "prompt", "size", "n", "response_format", "stream"))


class _Blob(Struct, rename="camel", gc=False):
    data: str
    mime_type: str | None = None


class _Part(Struct, rename="camel", gc=False):
    inline_data: _Blob | None = None
    text: str | None = None
    thought: bool | None = None


class _Content(Struct, gc=False):
    parts: list[_Part] = []


class _Candidate(Struct, rename="camel", gc=False):
    content: _Content | None = None
    finish_reason: str | None = None


class _Feedback(Struct, rename="camel", gc=False):
    block_reason: str | None = None


class _Answer(Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: Raw = NULL


_decode: Final = msgspec.json.Decoder(_Answer).decode
_encode: Final = msgspec.json.Encoder().encode


def to_gemini_image(body: bytes) -> tuple[bytes, list[Change]]:
    """Return a `generateContent` body, and what was changed. Raises InvalidRequest for what Gemini cannot draw."""
    given = object_members(body, "an image request")
    prompt = read_text(given.get("prompt"), "prompt")
    if given.get("n", NULL) not in (NULL, _ONE):
        raise InvalidRequest("`n` must be 1: the model that is called draws one image at a time", param="n")
    if not asks_nothing(given.get("stream", NULL)):
        raise InvalidRequest("`stream` must be false: the model that is called sends its image whole", param="stream")
    wish = given.get("response_format", NULL)
    if wish != NULL and read_text(wish, "response_format") != "b64_json":
        raise InvalidRequest(
            "`response_format` must be b64_json: the model that is called gives no URL", param="response_format"
        )
    config: dict[str, Any] = {"responseModalities": ["IMAGE"]}
    changes: list[Change] = []
    size = given.get("size", NULL)
    if size not in (NULL, _AUTO):
        proportion = _PROPORTIONS.get(read_text(size, "size"))
        if proportion is None:
            raise InvalidRequest(f"`size` must be auto or one of: {', '.join(_PROPORTIONS)}", param="size")
        config["imageConfig"] = {"aspectRatio": proportion}
        changes.append(converted("size", f"to the aspect ratio {proportion}"))
    for name, value in given.items():
        if name not in _UNDERSTOOD and value != _AUTO and not asks_nothing(value):
            changes.append(dropped(name))
    contents = [{"role": "user", "parts": [{"text": prompt}]}]
    return _encode({"contents": contents, "generationConfig": config}), changes


def gemini_image_for_openai(body: bytes, created: int) -> bytes:
    """Return Gemini's picture for an OpenAI client. Raises UpstreamBroke; an answer without one says why."""
    try:
        answer = _decode(body)
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is none that its dialect knows") from None
    parts = [
        part
        for candidate in answer.candidates or ()
        for part in (candidate.content.parts if candidate.content is not None else ())
        if not part.thought
    ]
    blobs = [part.inline_data for part in parts if part.inline_data is not None]
    if not blobs:
        raise UpstreamBroke(f"the provider drew nothing: {_reason(answer, parts)}")
    told: dict[str, Any] = {"created": created, "data": [{"b64_json": standard_base64(blob.data)} for blob in blobs]}
    kind = (blobs[0].mime_type or "").partition("/")[2]
    if kind:
        told["output_format"] = kind
    usage = read_usage(answer.usage_metadata)[0]
    if usage.input_tokens is not None:
        given, made = usage.input_tokens, usage.output_tokens or 0
        told["usage"] = {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}
    return _encode(told)


def _reason(answer: _Answer, parts: list[_Part]) -> str:
    text = " ".join(part.text for part in parts if part.text)
    blocked = answer.prompt_feedback.block_reason if answer.prompt_feedback is not None else None
    finish = next((one.finish_reason for one in answer.candidates or () if one.finish_reason), None)
    return text[:500] or blocked or finish or "it did not say why"
