"""Fuzz target: the editor of forms in wire/multipart.

Laws: a form means the same however it is cut; without an edit, what leaves is what came; an edited form parses again,
without the fields that were removed, with those that were replaced, and with all others as they were; nothing but
InvalidRequest is ever raised.
"""

from random import Random
from typing import Final, NamedTuple

from gantry.core.errors import InvalidRequest
from gantry.wire.form import FieldEdits, Fields, FormEdits, FormPeek
from gantry.wire.multipart import form_editor

_TYPE: Final = "multipart/form-data; boundary=b0und"
_MARK: Final = b"--b0und"
_NAMES: Final = (b'"model"', b'"model"', b'"ours"', b'"ours"', b"stream", b'"a b"', b'"x[]"', b'""', b'"m\\"x"')
_VALUES: Final = (
    b"v", b"", b"secret-value", b"\r\n", b"\r\n--b0un", b"\r\n--b0unc", b"--b0und", b"\n--b0und", b"\r", b"-",
    b"\x00\xff", b"\r\r\n--", b"x" * 300,
)  # fmt: skip
_EXTRA: Final = (
    b"", b"", b"", b'; filename="f"', b'; filename="f"\r\nContent-Type: audio/mpeg', b"\r\nContent-Type: text/plain",
    b"; filename*=utf-8''f", b"\r\nX: y", b"; name=twice",
)  # fmt: skip
_DAMAGE: Final = (
    b"\r\n",
    b"\r",
    b"\n",
    b"--",
    _MARK,
    b"\r\n" + _MARK,
    b"\r\n" + _MARK + b"--",
    b'"',
    b";",
    b"\r\n\r\n",
    b"\xff",
)


class Outcome(NamedTuple):
    """What became of a form: its bytes and what was seen in it, or None where it was refused."""

    out: bytes
    seen: tuple[tuple[str, bytes | None], ...]


class _Recorder:
    """Edits that are told everything and pass it to others."""

    def __init__(self, edits: FormEdits) -> None:
        self._edits = edits
        self.seen: list[tuple[str, bytes | None]] = []

    def field(self, name: str, value: bytes) -> Fields | None:
        self.seen.append((name, value))
        return self._edits.field(name, value)

    def file(self, name: str, filename: str) -> None:
        self.seen.append((name, None))
        self._edits.file(name, filename)

    def end(self) -> Fields:
        return self._edits.end()


def make_input(random: Random) -> bytes:
    """Return a multipart form, which is damaged in one case of two."""
    body = random.choice((b"", b"", b"", b"preamble\r\n", b"\r\n"))
    for _ in range(random.randrange(5)):
        value = b"".join(random.choice(_VALUES) for _ in range(random.randrange(3)))
        body += b'%b\r\nContent-Disposition: form-data; name=%b%b\r\n\r\n%b\r\n' % (
            _MARK + random.choice((b"", b"", b"", b" ", b"\t")), random.choice(_NAMES), random.choice(_EXTRA), value,
        )  # fmt: skip
    body += _MARK + b"--" + random.choice((b"\r\n", b"", b"\r\nepilogue", b"x"))
    for _ in range(random.choice((0, 0, 1, 2))):
        at = random.randrange(len(body) + 1)
        if random.random() < 0.5:
            body = body[:at] + random.choice(_DAMAGE) + body[at:]
        else:
            body = body[:at] + body[at + random.randrange(1, 6) :]
    return body


def check(data: bytes, random: Random) -> None:
    """Raise AssertionError when a law does not hold for this input."""
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(1, 8)))
    kept = _edited(data, [], FormPeek())
    assert _edited(data, cuts, FormPeek()) == kept, f"cut at {cuts} the form means something else"
    assert kept is None or kept.out == data, "bytes changed without an edit"
    edited = _edited(data, [], FieldEdits({"model": b"new"}, ("ours",)))
    again = _edited(data, cuts, FieldEdits({"model": b"new"}, ("ours",)))
    assert edited == again, f"cut at {cuts} the form is edited differently"
    assert (edited is None) == (kept is None), "an edit decides whether a form is a form"
    if kept is None or edited is None:
        return
    after = _edited(edited.out, [], FormPeek())
    assert after is not None, "what was edited is no form"
    wanted = [
        (name, b"new" if name == "model" and value is not None else value)
        for name, value in kept.seen
        if name != "ours" or value is None
    ]
    assert list(after.seen) == wanted, "the edited form says something else"


def _edited(data: bytes, cuts: list[int], edits: FormEdits) -> Outcome | None:
    recorder = _Recorder(edits)
    editor = form_editor(_TYPE, recorder)
    out = b""
    try:
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            out += editor.feed(data[start:end])
        out += editor.close()
    except InvalidRequest:
        return None
    return Outcome(out, tuple(recorder.seen))
