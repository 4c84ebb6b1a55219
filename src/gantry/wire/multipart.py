"""multipart/form-data (RFC 7578) as it passes through: fields are decided upon, files flow, the rest keeps its bytes.

Law: any cut of the same bytes gives the same bytes. Memory is bounded by one field and one delimiter, whatever the size
of a file. A form that another reader could understand differently is refused: a delimiter that goes on, a part without
a name or with two. Each part owns the line of its delimiter and the line end before the next, so dropping a part leaves
a form.
"""

import re
from enum import Enum
from typing import Final

from gantry.core.errors import InvalidRequest
from gantry.wire.form import MAX_FIELD, MAX_FIELDS, Fields, FormEditor, FormEdits, UrlencodedEditor

MULTIPART: Final = "multipart/form-data"
URLENCODED: Final = "application/x-www-form-urlencoded"
_MAX_HEADERS: Final = 8 * 1024
_MAX_BOUNDARY: Final = 70  # RFC 2046
_MAX_PADDING: Final = 64
_BOUNDARY: Final = re.compile(r"[A-Za-z0-9'()+_,\-./:=? ]*[A-Za-z0-9'()+_,\-./:=?]")
_PARAMETER: Final = re.compile(r';[ \t]*([A-Za-z0-9!#$%&\'*+.^_`|~-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;" \t]+)[ \t]*')
_ESCAPED: Final = re.compile(r'\\(["\\])')
_LINE_END: Final = b"\r\n"
_HEADERS_END: Final = b"\r\n\r\n"


class _State(Enum):
    PREAMBLE = "preamble"
    DELIMITER = "delimiter"
    HEADERS = "headers"
    FIELD = "field"
    FILE = "file"
    EPILOGUE = "epilogue"


def form_editor(content_type: str, edits: FormEdits) -> FormEditor:
    """Return the editor of a form of this content type. Raises InvalidRequest."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == URLENCODED:
        return UrlencodedEditor(edits)
    if media_type != MULTIPART:
        raise InvalidRequest(f"The request must be a form: {MULTIPART}, or {URLENCODED} without a file.")
    return MultipartEditor(boundary_of(content_type), edits)


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a content type names. Raises InvalidRequest."""
    _, mark, rest = content_type.partition(";")
    boundary = (_parameters(mark + rest.strip()) or {}).get("boundary", "")
    if len(boundary) > _MAX_BOUNDARY or not _BOUNDARY.fullmatch(boundary):
        raise InvalidRequest("The content type of the form names no valid boundary. Let your HTTP client set it.")
    return boundary.encode("ascii")


class MultipartEditor:
    """The editor of one multipart form."""

    __slots__ = ("_delimiter", "_edits", "_name", "_parts", "_pending", "_searched", "_start", "_state")

    def __init__(self, boundary: bytes, edits: FormEdits) -> None:
        self._edits = edits
        self._delimiter = b"\r\n--" + boundary
        self._pending = bytearray(_LINE_END)  # as if a line had ended before the form, so that all delimiters are alike
        self._state = _State.PREAMBLE
        self._start = 0  # where the content of the part in hand begins in what is pending
        self._searched = 0  # no delimiter begins before this place
        self._name = ""
        self._parts = 0

    def feed(self, data: bytes) -> bytes:
        self._pending += data
        out: list[bytes] = []
        while self._step(out):
            pass
        return b"".join(out)

    def close(self) -> bytes:
        if self._state is not _State.EPILOGUE:
            where = f" in the field `{self._name}`" if self._name else ""
            raise InvalidRequest(f"The form is cut short{where}: its last boundary is missing.")
        return b""

    def _step(self, out: list[bytes]) -> bool:
        """Take one step over what is pending; False when that needs more bytes."""
        match self._state:
            case _State.PREAMBLE:
                return self._pass_preamble(out)
            case _State.DELIMITER:
                return self._read_delimiter(out)
            case _State.HEADERS:
                return self._read_headers(out)
            case _State.FIELD:
                return self._read_field(out)
            case _State.FILE:
                return self._pass_file(out)
            case _State.EPILOGUE:
                out.append(self._take(len(self._pending)))
                return False

    def _take(self, size: int) -> bytes:
        taken = bytes(self._pending[:size])
        del self._pending[:size]
        return taken

    def _pass_preamble(self, out: list[bytes]) -> bool:
        end = self._pending.find(self._delimiter)
        if end < 0:
            if len(self._pending) > _MAX_HEADERS:
                raise InvalidRequest("The form does not begin with the boundary that its content type names.")
            return False
        out.append(self._take(end + 2)[2:])
        self._state = _State.DELIMITER
        return True

    def _read_delimiter(self, out: list[bytes]) -> bool:
        """Read the line of a delimiter, which is pending from its first dash on."""
        size = len(self._delimiter) - 2
        after = self._pending[size : size + _MAX_PADDING]
        if after.startswith(b"--"):
            out.append(self._written(self._edits.end()))
            self._name = ""
            self._state = _State.EPILOGUE
            return True
        padding = len(after) - len(after.lstrip(b" \t"))
        line_end = after[padding : padding + 2]
        if line_end == _LINE_END:
            self._start = size + padding + 2
            self._state = _State.HEADERS
            return True
        if padding == _MAX_PADDING or not (_LINE_END.startswith(line_end) or after == b"-"):
            raise InvalidRequest("The form has a boundary that does not end its line. Choose another boundary.")
        return False

    def _read_headers(self, out: list[bytes]) -> bool:
        end = self._pending.find(_HEADERS_END, self._start)
        if end < 0 or end - self._start > _MAX_HEADERS:
            if len(self._pending) - self._start > _MAX_HEADERS:
                raise InvalidRequest(f"The head of a part of the form is larger than {_MAX_HEADERS} bytes.")
            return False
        self._parts += 1
        if self._parts > MAX_FIELDS:
            raise InvalidRequest(f"The form has more than {MAX_FIELDS} fields. Send fewer.")
        head = bytes(self._pending[self._start : end])
        self._name, filename = _read_head(head)
        if filename is not None:
            self._edits.file(self._name, filename)
            out.append(self._take(end + 2))
            self._start = 2  # behind the empty line, which stays: the delimiter's line end must be another one
            self._state = _State.FILE
        else:
            self._start = end + 4
            self._searched = end + 2
            self._state = _State.FIELD
        return True

    def _read_field(self, out: list[bytes]) -> bool:
        end = self._pending.find(self._delimiter, self._searched)
        size = (end if end >= 0 else len(self._pending) - len(self._delimiter)) - self._start
        if size > MAX_FIELD:
            raise InvalidRequest(f"The form's `{self._name}` is larger than {MAX_FIELD} bytes.", param=self._name)
        if end < 0:
            self._searched = max(self._searched, len(self._pending) - len(self._delimiter) + 1)
            return False
        if size < 0:
            raise self._no_content()
        new = self._edits.field(self._name, bytes(self._pending[self._start : end]))
        raw = self._take(end + 2)
        out.append(raw if new is None else self._written(new))
        self._state = _State.DELIMITER
        return True

    def _pass_file(self, out: list[bytes]) -> bool:
        end = self._pending.find(self._delimiter)
        if end < 0:
            safe = len(self._pending) - len(self._delimiter) + 1
            if safe > self._start:
                out.append(self._take(safe))
                self._start = 0
            return False
        if end < self._start:
            raise self._no_content()
        out.append(self._take(end + 2))
        self._state = _State.DELIMITER
        return True

    def _no_content(self) -> InvalidRequest:
        return InvalidRequest(
            f"The form's `{self._name}` has no content, not even an empty one: a line end is missing.", param=self._name
        )

    def _written(self, fields: Fields) -> bytes:
        dashes = self._delimiter[2:]
        pieces = []
        for name, value in fields:
            quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A").encode()
            pieces.append(b'%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (dashes, quoted, value))
        return b"".join(pieces)


def _read_head(head: bytes) -> tuple[str, str | None]:
    """Return the name of a part, and that of the file in it; None when it is none. Raises InvalidRequest."""
    name: str | None = None
    filename: str | None = None
    try:
        lines = head.decode("utf-8").split("\r\n")
    except UnicodeDecodeError:
        raise InvalidRequest("The head of a part of the form is not valid UTF-8.") from None
    for line in lines:
        field, _, value = line.partition(":")
        if field.lower() == "content-disposition":
            kind, mark, rest = value.strip().partition(";")
            parameters = _parameters(mark + rest)
            if name is not None or parameters is None or kind.strip().lower() != "form-data":
                raise InvalidRequest(f"A part of the form has a disposition that cannot be read: {value.strip()[:200]}")
            if any(key.startswith("name*") for key in parameters):
                raise InvalidRequest("A part of the form gives its name twice. Send `name` alone.")
            name = parameters.get("name")
            if "filename" in parameters or "filename*" in parameters:
                filename = parameters.get("filename", parameters.get("filename*", ""))
        elif field.lower() == "content-type" and filename is None:
            is_text = value.strip().lower().startswith(("text/plain", "application/json"))
            filename = None if is_text else ""
    if name is None:
        raise InvalidRequest('A part of the form has no name. Send `Content-Disposition: form-data; name="…"`.')
    return name, filename


def _parameters(text: str) -> dict[str, str] | None:
    """Return the parameters after a header's first value; None when they cannot be read one way only."""
    found: dict[str, str] = {}
    position = 0
    text = text.rstrip(" \t;")
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None or match[1].lower() in found:
            return None
        value = match[2]
        found[match[1].lower()] = _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
        position = match.end()
    return found
