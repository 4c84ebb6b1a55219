"""Forms: what a request that is no JSON says in its fields, read and edited on the way through.

Law: as for the envelope, what is not edited leaves as the bytes that came. Small fields are held until they are whole
and then decided upon; files flow through. One interface over both kinds of form, because Mistral's SDK sends one or the
other for the same call, by whether there is a file in it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol
from urllib.parse import quote_plus, unquote_to_bytes

from gantry.core.errors import InvalidRequest

MAX_FIELD: Final = 64 * 1024
MAX_FIELDS: Final = 100
_MAX_URLENCODED: Final = 4 * MAX_FIELD

Fields = Sequence[tuple[str, bytes]]


class FormEdits(Protocol):
    """What is done to a form. One object serves one form, and is told of everything in the order of the form."""

    def field(self, name: str, value: bytes) -> Fields | None:
        """Return the fields to send in the place of this one, none to drop it; None keeps it byte for byte."""

    def file(self, name: str, filename: str) -> None:
        """Take notice of a file, which goes through as it is. Raises InvalidRequest to refuse it."""

    def end(self) -> Fields:
        """Return fields to add behind all others."""


class FormEditor(Protocol):
    """A form on its way: bytes in, bytes out. All raise InvalidRequest."""

    def feed(self, data: bytes) -> bytes:
        """Return what can go on already."""

    def close(self) -> bytes:
        """Return the rest of a form that is complete."""


class FieldEdits:
    """Values replaced and fields removed by name, as a splice of an envelope does it."""

    __slots__ = ("_remove", "_replace")

    def __init__(self, replace: Mapping[str, bytes], remove: Collection[str] = ()) -> None:
        self._replace = replace
        self._remove = remove

    def field(self, name: str, value: bytes) -> Fields | None:
        if name in self._remove:
            return ()
        new = self._replace.get(name)
        return None if new is None or new == value else ((name, new),)

    def file(self, name: str, filename: str) -> None:
        """Let it pass."""

    def end(self) -> Fields:
        return ()


class FormPeek:
    """Edits that change nothing and remember: the first value of each field, and which came after a file."""

    __slots__ = ("after_file", "files", "saw_file", "values")

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.after_file: set[str] = set()
        self.files: dict[str, str] = {}  # the names that files have for themselves
        self.saw_file = False

    def field(self, name: str, value: bytes) -> Fields | None:
        if name not in self.values:
            self.values[name] = value
            if self.saw_file:
                self.after_file.add(name)
        return None

    def file(self, name: str, filename: str) -> None:
        self.saw_file = True
        self.files[name] = filename

    def end(self) -> Fields:
        return ()

    def text(self, name: str) -> str | None:
        """Return a field as text; None until it has come. Raises InvalidRequest."""
        value = self.values.get(name)
        return None if value is None else field_text(name, value)


class UrlencodedEditor:
    """The editor of application/x-www-form-urlencoded. Such a form has no files, so it is held whole."""

    __slots__ = ("_edits", "_held")

    def __init__(self, edits: FormEdits) -> None:
        self._edits = edits
        self._held = bytearray()

    def feed(self, data: bytes) -> bytes:
        if len(self._held) + len(data) > _MAX_URLENCODED:
            raise InvalidRequest(f"The form is larger than {_MAX_URLENCODED} bytes. Send files as multipart/form-data.")
        self._held += data
        return b""

    def close(self) -> bytes:
        pieces: list[bytes] = []
        pairs = bytes(self._held).split(b"&") if self._held else []
        if len(pairs) > MAX_FIELDS:
            raise InvalidRequest(f"The form has more than {MAX_FIELDS} fields. Send fewer.")
        for pair in pairs:
            raw_name, _, raw_value = pair.partition(b"=")
            name = field_text("name of a field", _unquoted(raw_name))
            new = self._edits.field(name, _unquoted(raw_value))
            pieces += [pair] if new is None else _quoted(new)
        pieces += _quoted(self._edits.end())
        return b"&".join(pieces)


def field_text(name: str, value: bytes) -> str:
    """Return a field's value as text. Raises InvalidRequest."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest(f"The form's `{name}` is not valid UTF-8. Encode it as UTF-8.", param=name) from None


def _unquoted(raw: bytes) -> bytes:
    return unquote_to_bytes(raw.replace(b"+", b" "))


def _quoted(fields: Fields) -> list[bytes]:
    return [f"{quote_plus(name)}={quote_plus(value)}".encode("ascii") for name, value in fields]
