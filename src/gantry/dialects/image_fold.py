"""The fold of answers that are images: how many there are and how large, never their bytes.

Law: a whole answer lists its images; a stream sends each as it gets clearer, and what counts is the one that is
completed. Both come to the same, with what the provider says of them: size, quality, format.
Spec: https://platform.openai.com/docs/api-reference/images
"""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Raw, Struct
from msgspec.structs import replace

from gantry.dialects.chat_chunk import has_value, read_chunk, read_shape
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.error_message import error_message
from gantry.dialects.fold import Answer, Envelope, encode
from gantry.dialects.media import decoded_size, size_note
from gantry.dialects.outline import outlined

_COMPLETED: Final = ".completed"
_SAID: Final = ("size", "quality", "background", "output_format")


class _Image(Struct, gc=False):
    b64_json: Raw = ABSENT
    url: str | None = None
    revised_prompt: str | None = None


class _Images(Struct, gc=False):
    """A whole answer, or one event of a stream."""

    data: list[_Image] | None = None
    type: str | None = None
    b64_json: Raw = ABSENT
    created: int | None = None
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None


class ImageFold(Envelope):
    __slots__ = ("_created", "_images", "_said")

    def __init__(self, streamed: bool) -> None:
        super().__init__()
        self._images: list[dict[str, Any]] = []
        self._said: dict[str, str] = {}
        self._created: int | None = None

    def add(self, document: bytes) -> bool:
        chunk = read_chunk(document)
        if chunk is None:
            return False
        self.take(chunk)
        found = read_shape(_Images, document) or _Images()
        self._created = found.created or self._created
        for name in _SAID:
            value = getattr(found, name)
            if value is not None:
                self._said[name] = value
        kind = self._said.get("output_format")
        if found.data is not None:
            self._images += [_shown(image, kind) for image in found.data]
        elif has_value(found.b64_json) and (found.type or "").endswith(_COMPLETED):
            self._images.append(_shown(_Image(found.b64_json), kind))
        return True

    def answer(self, ended: bool, warnings: Iterable[str] = ()) -> Answer:
        said = encode({"images": self._images, **self._said}) if self._images else None
        answer = self.conclude(complete=ended, warnings=warnings, message=said)
        if not self._images:
            return answer
        return replace(answer, usage=replace(answer.usage, images=len(self._images)))

    def whole(self) -> bytes:
        error = {} if self.error is None else {"error": {"message": error_message(self.error)}}
        created = {} if self._created is None else {"created": self._created}
        return encode({**self.members(), **created, "data": self._images, **self._said, **error})


def _shown(image: _Image, kind: str | None) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if has_value(image.b64_json):
        size = decoded_size(image.b64_json)
        shown["b64_json"] = size_note(size or 0, f"image/{kind}" if kind else "")
    if image.url is not None:
        shown["url"] = outlined(image.url)
    if image.revised_prompt is not None:
        shown["revised_prompt"] = image.revised_prompt
    return shown
