"""Form bodies, multipart and urlencoded, read as a provider's server would; and JSON where a batch sends it instead."""

import re
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from gantry.simulator.exchange import JSON, Request

_BOUNDARY = re.compile(rb'boundary="?([^";,\s]+)"?')
_PARAMETER = re.compile(rb'(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_TYPE = re.compile(rb"^content-type:\s*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)


class Upload(Struct, frozen=True):
    name: str
    media: str
    data: bytes


class Form(Struct, frozen=True):
    """The fields in their order; one that was sent more than once is a list, also with `[]` after its name."""

    pairs: tuple[tuple[str, str], ...] = ()
    uploads: dict[str, Upload] = {}

    def get(self, name: str) -> str:
        """Return the last value of a field, or nothing."""
        return next((value for key, value in reversed(self.pairs) if key == name), "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    @property
    def names(self) -> set[str]:
        return {key for key, _ in self.pairs} | set(self.uploads)


def read_form(request: Request) -> Form:
    """Return the form in a request; an unreadable one is empty."""
    media = request.header(b"content-type") or b""
    if media.startswith(b"multipart/form-data"):
        found = _BOUNDARY.search(media)
        return _multipart(request.body, found[1]) if found else Form()
    if media.startswith(JSON):
        return _object(request.body)
    pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    return Form(tuple((name.removesuffix("[]"), value) for name, value in pairs))


def _multipart(body: bytes, boundary: bytes) -> Form:
    pairs: list[tuple[str, str]] = []
    uploads: dict[str, Upload] = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        head, separator, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not separator:
            continue
        parameters = {key.lower(): value.decode("utf-8", "replace") for key, value in _PARAMETER.findall(head)}
        name = parameters.get(b"name", "").removesuffix("[]")
        if b"filename" in parameters:
            media = _TYPE.search(head)
            kind = media[1].decode("latin-1") if media else "application/octet-stream"
            uploads[name] = Upload(parameters[b"filename"], kind, data)
        else:
            pairs.append((name, data.decode("utf-8", "replace")))
    return Form(tuple(pairs), uploads)


def _object(body: bytes) -> Form:
    try:
        fields = msgspec.json.decode(body, type=dict[str, object])
    except msgspec.MsgspecError:
        return Form()
    pairs: list[tuple[str, str]] = []
    for name, value in fields.items():
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                pairs.append((name, item if isinstance(item, str) else msgspec.json.encode(item).decode()))
    return Form(tuple(pairs))
