"""Forms on their way: any cut gives the same bytes, and what is not edited keeps its own."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.errors import InvalidRequest
from gantry.wire.form import MAX_FIELD, MAX_FIELDS, FieldEdits, Fields, FormEdits, FormPeek, UrlencodedEditor
from gantry.wire.multipart import MultipartEditor, boundary_of, form_editor

BOUNDARY = b"xYz"
AUDIO = bytes(range(256)) * 3 + b"\r\n--xY\r\n--x\r--xYz\n--xYz"


def part(name: str, value: bytes, *, filename: str | None = None, extra: bytes = b"") -> bytes:
    file = b'; filename="%b"' % filename.encode() if filename is not None else b""
    return b'--xYz\r\nContent-Disposition: form-data; name="%b"%b\r\n%b\r\n%b\r\n' % (name.encode(), file, extra, value)


AUDIO_PART = part("file", AUDIO, filename="a.mp3", extra=b"Content-Type: audio/mpeg\r\n")
FORM = part("model", b"mistral/voxtral") + AUDIO_PART + part("language", b"en") + part("empty", b"") + b"--xYz--\r\n"


class Renaming:
    """Edits of each kind."""

    def field(self, name: str, value: bytes) -> Fields | None:
        match name:
            case "model":
                return (("model", value.removeprefix(b"mistral/")),)
            case "language":
                return ()
            case "empty":
                return (("one", b"1"), ('t"wo', b"2"))
        return None

    def file(self, name: str, filename: str) -> None:
        assert name == "file"

    def end(self) -> Fields:
        return (("more", b"3"),)


EDITED = (
    part("model", b"voxtral")
    + AUDIO_PART
    + part("one", b"1")
    + part("t%22wo", b"2")
    + part("more", b"3")
    + b"--xYz--\r\n"
)


def edited(form: bytes, edits: FormEdits, *cuts: int) -> bytes:
    editor = MultipartEditor(BOUNDARY, edits)
    out, start = b"", 0
    for cut in (*cuts, len(form)):
        out += editor.feed(form[start:cut])
        start = cut
    return out + editor.close()


@pytest.mark.parametrize(("edits", "expected"), [(FormPeek(), FORM), (Renaming(), EDITED)])
def test_cut_at_every_byte(edits: FormEdits, expected: bytes) -> None:
    for cut in range(len(FORM) + 1):
        assert edited(FORM, edits, cut) == expected
    assert edited(FORM, edits, *range(len(FORM))) == expected


VALUES = st.binary(max_size=60).map(lambda value: value.replace(b"xYz", b""))
NAMES = st.text(st.characters(codec="utf-8", exclude_characters='"\\\r\n', exclude_categories=("Cs", "Cc")), max_size=8)


@given(
    st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=6),
    st.lists(st.integers(0, 900), max_size=8),
    st.sampled_from([b"", b"\r\n", b"a preamble\r\n"]),
    st.sampled_from([b"", b"\r\n", b"\r\nan epilogue --xYz"]),
)
def test_without_edits_every_form_leaves_as_it_came(
    parts: list[tuple[str, bytes, bool]], cuts: list[int], preamble: bytes, epilogue: bytes
) -> None:
    body = b"".join(part(name, value, filename="f" if is_file else None) for name, value, is_file in parts)
    form = preamble + body + b"--xYz--" + epilogue
    peek = FormPeek()
    assert edited(form, peek, *sorted(cut for cut in cuts if cut < len(form))) == form
    first: dict[str, bytes] = {}
    for name, value, is_file in parts:
        if not is_file:
            first.setdefault(name, value)
    assert peek.values == first


def test_a_file_flows_while_it_comes() -> None:
    editor = MultipartEditor(BOUNDARY, FormPeek())
    head, _, _ = AUDIO_PART.partition(b"\r\n\r\n")
    out = editor.feed(head + b"\r\n\r\n")
    held = 0
    for number in range(1, 101):
        out += editor.feed(b"a" * 1000)
        held = max(held, len(head) + 4 + 1000 * number - len(out))
    assert held <= len(b"\r\n--xYz")


@pytest.mark.parametrize("file_first", [False, True])
def test_peeking_at_the_model(file_first: bool) -> None:
    model = part("model", b"voxtral")
    form = (AUDIO_PART + model if file_first else model + AUDIO_PART) + b"--xYz--"
    peek = FormPeek()
    editor = MultipartEditor(BOUNDARY, peek)
    position = 0
    while peek.text("model") is None and position < len(form):
        editor.feed(form[position : position + 1])
        position += 1
    assert peek.text("model") == "voxtral"
    assert ("model" in peek.after_file) is file_first
    # Known as soon as the delimiter behind it is there.
    behind = len(form) - len(b"--xYz--") if file_first else len(model)
    assert position <= behind + len(b"--xYz")


def test_values_are_spliced_by_name() -> None:
    form = part("model", b"a") + part("secret", b"s") + part("n", b"1") + b"--xYz--"
    assert edited(form, FieldEdits({"model": b"b"}, ("secret",))) == part("model", b"b") + part("n", b"1") + b"--xYz--"


def test_a_part_of_another_type_is_a_file_and_json_is_none() -> None:
    peek = FormPeek()
    binary = part("blob", b"\0", extra=b"Content-Type: application/octet-stream\r\n")
    text = part("note", b"x", extra=b"Content-Type: text/plain; charset=utf-8\r\n")
    json = part("data", b"{}", extra=b"content-type: application/json\r\n")
    edited(binary + text + json + b"--xYz--", peek)
    assert peek.values == {"note": b"x", "data": b"{}"}
    assert peek.saw_file


def raw(head: bytes, body: bytes = b"x") -> bytes:
    return b"--xYz\r\n" + head + b"\r\n\r\n" + body + b"\r\n--xYz--"


MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "cut short"),
    "no boundary": (b"hello" * 5000, "does not begin with the boundary"),
    "cut in a field": (part("a", b"1")[:-2], "cut short in the field `a`"),
    "cut in a file": (AUDIO_PART, "cut short in the field `file`"),
    "a delimiter that goes on": (part("a", b"1") + b"--xYzabc\r\n", "does not end its line"),
    "no disposition": (raw(b"X: y"), "has no name"),
    "no name": (raw(b"Content-Disposition: form-data"), "has no name"),
    "two dispositions": (raw(b'Content-Disposition: form-data; name="a"\r\n' * 2), "cannot be read"),
    "two names": (raw(b'Content-Disposition: form-data; name="a"; name="b"'), "cannot be read"),
    "another disposition": (raw(b'Content-Disposition: attachment; name="a"'), "cannot be read"),
    "a folded name": (raw(b'Content-Disposition: form-data;\r\n name="a"'), "has no name"),
    "a name that is no text": (raw(b'Content-Disposition: form-data; name="\xff"'), "not valid UTF-8"),
    "a huge head": (b"--xYz\r\n" + b"X: " + b"y" * 9000, "head of a part"),
    "a huge field": (part("a", b"1" * (MAX_FIELD + 100)), "`a` is larger"),
    "many fields": (part("a", b"1") * (MAX_FIELDS + 1), "more than 100 fields"),
    "no content at all": (b'--xYz\r\nContent-Disposition: form-data; name="a"\r\n\r\n--xYz--', "no content"),
    "no file at all": (
        b'--xYz\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\n--xYz--\r\n',
        "no content",
    ),
}


@pytest.mark.parametrize(("form", "message"), MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("size", [7, 100_000])
def test_what_is_malformed_is_refused(form: bytes, message: str, size: int) -> None:
    with pytest.raises(InvalidRequest, match=message.replace("(", r"\(")):
        edited(form, FormPeek(), *range(0, len(form), size))


def test_the_largest_field_is_taken() -> None:
    form = part("a", b"1" * MAX_FIELD) + b"--xYz--"
    assert edited(form, FormPeek(), 100, 60_000, 65_000) == form


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ("Multipart/Form-Data;boundary=abc;", b"abc"),
        ('multipart/form-data; charset=utf-8; boundary="a b:c"', b"a b:c"),
        ("multipart/form-data; BOUNDARY=----WebKitFormBoundary7MA4", b"----WebKitFormBoundary7MA4"),
    ],
)
def test_boundaries(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=a; boundary=b",
        'multipart/form-data; boundary="a ',
        'multipart/form-data; boundary="a "',
        "multipart/form-data; boundary=" + "a" * 71,
        "multipart/form-data; boundary=ü",
        "application/json",
    ],
)
def test_what_names_no_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidRequest):
        form_editor(content_type, FormPeek())


URLENCODED: list[tuple[FormEdits, bytes]] = [
    (FormPeek(), b"model=mistral%2fvoxtral&file_url=http%3A%2F%2Fh&language=a+b&empty"),
    (FieldEdits({"model": b"vox tral/\xff"}, ("language", "empty")), b"model=vox+tral%2F%FF&file_url=http%3A%2F%2Fh"),
    (Renaming(), b"model=voxtral&file_url=http%3A%2F%2Fh&one=1&t%22wo=2&more=3"),
]


@pytest.mark.parametrize(("edits", "expected"), URLENCODED)
def test_an_urlencoded_form(edits: FormEdits, expected: bytes) -> None:
    form = b"model=mistral%2fvoxtral&file_url=http%3A%2F%2Fh&language=a+b&empty"
    for cut in range(len(form)):
        editor: Any = form_editor("application/x-www-form-urlencoded; charset=utf-8", edits)
        assert editor.feed(form[:cut]) + editor.feed(form[cut:]) + editor.close() == expected


def test_an_urlencoded_form_is_read_and_bounded() -> None:
    peek = FormPeek()
    editor = UrlencodedEditor(peek)
    editor.feed(b"a=1+2%26&a=3&b=%C3%A9")
    editor.close()
    assert (peek.text("a"), peek.text("b"), peek.text("c")) == ("1 2&", "é", None)
    with pytest.raises(InvalidRequest, match="larger"):
        UrlencodedEditor(peek).feed(b"a" * 300_000)
    many = UrlencodedEditor(peek)
    many.feed(b"&".join([b"a=1"] * 101))
    with pytest.raises(InvalidRequest, match="more than 100 fields"):
        many.close()
