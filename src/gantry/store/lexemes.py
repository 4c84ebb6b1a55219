r"""The words of a plain text as PostgreSQL's `to_tsvector('simple', …)` has them, found here and not in the server.

Law: what `lexemes_of` returns is what the server would have made of the text, read as the text of a tsvector; and where
it does not know that for certain, it returns nothing, and the server does it. Certain is what is written in ASCII, as
words and numbers, or joined of them in a way that PostgreSQL sees as one: `3.14`, `e.g.`, `and/or`, or as one and its
parts: `well-known`. Not certain are tags, entities, addresses, and what runs on: `www.example.com`.

Why: a server spends 0.45 µs on a word, which is half of what storing a log of 65 words takes there. All steps here go
over a whole text in C; where something in it is joined, what is no word of letters is looked at one by one.
"""

import re
import string
from collections import Counter
from typing import Any, Final

_MOST: Final = 4096  # words of a text; a server counts them up to 16,383
_OFTEN: Final = 255  # places of a word that a server keeps
_LONGEST: Final = 2046  # letters of a word that a server keeps

# In the place of marks that belong to a word: these characters themselves are never certain.
_HYPHEN: Final = b"\x1f"
_DOT: Final = b"\x1e"
_SLASH: Final = b"\x1d"
_NOTHING: Final = b"\x1c"
_MEANT: Final = {0x1F: "-", 0x1E: ".", 0x1D: "/"}

# What a character is to PostgreSQL's parser: a letter, a digit, a mark that means something between them, or a gap.
_KINDS: Final = {
    "a": string.ascii_letters,
    "0": string.digits,
    " ": " \t\n\r!\"#$%'()*,:;=?[\\]^`{|}",
    **{mark: mark for mark in ".-+_/"},
}
_IS: Final = bytes(next((ord(kind) for kind, of in _KINDS.items() if chr(one) in of), ord("!")) for one in range(256))
_APART: Final = bytes(one if chr(one) not in _KINDS[" "] or chr(one) == ":" else ord(" ") for one in range(256))
_SPELLED: Final = bytes(
    ord(_MEANT.get(one) or (chr(one).lower() if chr(one) in string.ascii_letters + string.digits else " "))
    for one in range(256)
)
_PLACES: Final = tuple(b":%d " % place for place in range(1, _MOST + 1))

_JOINED: Final = re.compile(
    rb"(?P<compound>[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z][A-Za-z0-9]*)+)"
    rb"|(?<![A-Za-z0-9_.\-+/:])(?:"
    rb"(?P<dotted>[A-Za-z][A-Za-z0-9]*\.[A-Za-z][A-Za-z0-9]*|[0-9]+(?:\.[0-9]+){1,2})"
    rb"|(?P<either>(?:/|[A-Za-z0-9]+/)[A-Za-z0-9]+(?:/[A-Za-z0-9]+)*)"
    rb"|(?P<range>[A-Za-z0-9]+(?:-[0-9]+)+)"
    rb"|(?P<counted>[0-9]+[A-DF-Za-df-z][A-Za-z0-9]*)"
    rb")(?![A-Za-z0-9_\-+/@]|[.:][^ \n])"
)

# Words of each sort, which some server may see otherwise: languages have letters of their own, and who runs it may have
# altered what `simple` means.
PROBE: Final = f"The runners {string.ascii_letters} {string.digits} a1 1b a-b a-b1 1.5 1.2.3 a.b a/b 1-2"


def lexemes_of(said: str) -> bytes | None:
    """Return the text of a tsvector without quotes, each word at its place; None: the server is to be asked."""
    if not said.isascii():
        return None
    plain = said.encode()
    kinds = plain.translate(_IS)
    marks = kinds.translate(None, b"a ")  # few: to look for one among them costs little
    if marks:
        if b"!" in marks:
            return None
        if b"-" in marks or _is_joined(kinds, marks):
            pieces = plain.translate(_APART).split()
            plain = b" ".join([one if one.isalpha() else _JOINED.sub(_as_words, one) for one in pieces])
            kinds = plain.translate(_IS)
            if b"a-a" in kinds or _is_joined(kinds, kinds):
                return None
    words = plain.translate(_SPELLED, _NOTHING).split()
    count = len(words)
    if count > _MOST or (count > _OFTEN and max(Counter(words).values()) > _OFTEN):
        return None
    if len(plain) > _LONGEST and max(map(len, words), default=0) > _LONGEST:
        return None
    placed: list[Any] = [b""] * (2 * count)
    placed[::2] = words
    placed[1::2] = _PLACES[:count]
    return b"".join(placed)


def _is_joined(kinds: bytes, marks: bytes) -> bool:
    """Say whether something is there that may be more, or less, than a word."""
    return (
        (b"." in marks and kinds.count(b".") != kinds.count(b". ") + kinds.endswith(b"."))
        or (b"0" in marks and b"0a" in kinds)
        or (b"-" in marks and b"-0" in kinds)
        or (b"+" in marks and b"+0" in kinds)
        or b"/" in marks
    )


def _as_words(joined: "re.Match[bytes]") -> bytes:
    """Return the words that the server sees in what is joined, with their marks out of the way."""
    whole = joined[0]
    match joined.lastgroup:
        case "compound":
            return b"%b %b" % (whole.replace(b"-", _HYPHEN), whole.replace(b"-", b" "))
        case "dotted":
            return whole.replace(b".", _DOT)
        case "either":
            return whole.replace(b"/", _SLASH)
        case "range":
            return whole.replace(b"-", b" " + _HYPHEN)
        case _:
            digits = len(whole) - len(whole.lstrip(string.digits.encode()))
            return whole[:digits] + _NOTHING + whole[digits:]
