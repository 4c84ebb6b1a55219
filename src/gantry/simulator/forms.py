"""Form bodies, multipart and urlencoded, read as a provider's server would."""

import re
from urllib.parse import parse_qsl

from msgspec import Struct

from gantry.simulator.exchange import Request

_BOUNDARY = re.compile(rb'boundary="?([^";,\s]+)"?')
_PARAMETER = re.compile(rb'(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_TYPE = re.compile(rb"^content-type:\s*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)


class Upload(Struct, frozen=True):
    name: str
    media: str
    data: bytes


class Form(Struct, frozen=True):
    fields: dict[str, str]
    uploads: dict[str, Upload]


def read_form(request: Request) -> Form:
    """Return the form in a request; an unreadable one is empty."""
    media = request.header(b"content-type") or b""
    if media.startswith(b"multipart/form-data"):
        found = _BOUNDARY.search(media)
        return _multipart(request.body, found[1]) if found else Form({}, {})
    return Form(dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)), {})


def _multipart(body: bytes, boundary: bytes) -> Form:
    form = Form({}, {})
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        head, separator, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not separator:
            continue
        parameters = {key.lower(): value.decode("utf-8", "replace") for key, value in _PARAMETER.findall(head)}
        name = parameters.get(b"name", "").removesuffix("[]")
        if b"filename" in parameters:
            media = _TYPE.search(head)
            kind = media[1].decode("latin-1") if media else "application/octet-stream"
            form.uploads[name] = Upload(parameters[b"filename"], kind, data)
        else:
            form.fields[name] = data.decode("utf-8", "replace")
    return form
