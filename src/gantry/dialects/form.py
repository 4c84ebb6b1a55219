"""The fields of a form, as the record shows them: small values as they are, files by name and size.

Law: never raises; an upload may be cut anywhere, because its capture is bounded. What of a file came is counted and
left out. Sizes of files that were cut are called `captured_bytes`.
"""

import re
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

MULTIPART: Final = "multipart/form-data"
URLENCODED: Final = "application/x-www-form-urlencoded"
_MAX_FIELDS: Final = 200
_MAX_HEADER: Final = 8192
_BOUNDARY: Final = re.compile(r'boundary="?([^";,]{1,200})', re.IGNORECASE)
_NAME: Final = re.compile(r'(?:^|[;\s])name="([^"]{0,500})"', re.IGNORECASE)
_FILENAME: Final = re.compile(r'filename="([^"]{0,500})"', re.IGNORECASE)
_FILENAME_ENCODED: Final = re.compile(r"filename\*=[\w-]{0,20}'[\w-]{0,20}'([^;\s]{1,1500})", re.IGNORECASE)
_TYPE: Final = re.compile(r"^content-type:[ \t]*([^\r\n;]{1,200})", re.IGNORECASE | re.MULTILINE)


def read_form(content_type: str, body: bytes) -> dict[str, Any] | None:
    """Return the fields of a form; None when the body is none. A name that is given twice has a list."""
    kind = content_type.lower()
    if kind.startswith(URLENCODED):
        return _read_urlencoded(body)
    boundary = _BOUNDARY.search(content_type)
    if not kind.startswith(MULTIPART) or boundary is None:
        return None
    fields: dict[str, Any] = {}
    delimiter = b"\r\n--" + boundary[1].strip().encode("latin-1", "replace")
    parts = (b"\r\n" + body).split(delimiter, _MAX_FIELDS)
    for index, part in enumerate(parts[1:], start=2):
        if part.startswith(b"--"):
            break
        _add_part(fields, part, whole=index < len(parts))
    return fields


def _read_urlencoded(body: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        return fields
    for name, value in pairs:
        _add(fields, name, value)
    return fields


def _add_part(fields: dict[str, Any], part: bytes, *, whole: bool) -> None:
    end = part.find(b"\r\n\r\n", 0, _MAX_HEADER)
    if end < 0:
        return
    head = part[:end].decode("utf-8", "replace")
    name = _NAME.search(head)
    if name is None:
        return
    encoded, plain, kind = _FILENAME_ENCODED.search(head), _FILENAME.search(head), _TYPE.search(head)
    filename = unquote(encoded[1]) if encoded else plain[1] if plain else None
    content = part[end + 4 :]
    if filename is None:
        _add(fields, name[1], content.decode("utf-8", "replace"))
        return
    file: dict[str, Any] = {"name": filename, "bytes" if whole else "captured_bytes": len(content)}
    if kind is not None:
        file["content_type"] = kind[1].strip()
    _add(fields, name[1], file)


def _add(fields: dict[str, Any], name: str, value: Any) -> None:
    if name not in fields:
        fields[name] = value
    elif isinstance(fields[name], list):
        fields[name].append(value)
    else:
        fields[name] = [fields[name], value]
