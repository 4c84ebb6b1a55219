"""Taking personal data and keys out of what is kept (ContentPolicy.REDACTED).

Law: pure, linear in the length of the text, and never the other way round: what cannot be read is replaced by a note of
its size, not kept. A JSON body keeps its keys, its numbers and every byte of the strings in which nothing was found. A
stream is assembled first, because an address may be split over tokens; what is kept is the document that it came to.
"""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final

import msgspec
from msgspec import Raw

from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.answer import assemble_array, assemble_stream, is_stream
from gantry.dialects.fold import encode
from gantry.dialects.form import read_form
from gantry.dialects.media import media_note, size_note
from gantry.dialects.members import UNREADABLE
from gantry.dialects.outline import outlined
from gantry.dialects.question import join_messages

_DEPTH: Final = 4  # of JSON within strings of JSON
_CARD_DIGITS: Final = range(13, 20)
_PHONE_DIGITS: Final = range(8, 16)
_IBAN_LENGTHS: Final = range(15, 35)

# Every repetition without a bound is possessive and begins at a boundary: each character is looked at a bounded number
# of times by each of them.
_EMAIL: Final = re.compile(r"(?<![\w.%+-])[\w.%+-]++@[\w-]++(?:\.[\w-]++)++")
_JWT: Final = re.compile(r"(?<![\w-])eyJ[\w-]{8,}+\.[\w-]{2,}+(?:\.[\w-]*+)?+")
_BEARER: Final = re.compile(r"\b((?:bearer|basic)\s{1,4})(?!\[)[\w.~+/=-]{12,}+", re.IGNORECASE)
_KEY: Final = re.compile(
    r"(?<![\w-])(?:"
    r"(?:sk|pk|rk)[-_][\w-]{16,}+"
    r"|gsk_\w{16,}+|xai-\w{16,}+|gk_\w{16,}+|hf_\w{16,}+|npm_\w{16,}+|r8_\w{16,}+|whsec_\w{16,}+|pypi-[\w-]{16,}+"
    r"|gh[opsur]_\w{16,}+|github_pat_\w{16,}+|glpat-[\w-]{16,}+|xox[abeoprs]-[\w-]{10,}+|shp(?:at|ca|pa|ss)_\w{16,}+"
    r"|AIza[\w-]{30,}+|ya29\.[\w-]{16,}+|(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)|SG\.[\w-]{16,}+\.[\w-]{16,}+"
    r")"
)
_NAMED: Final = re.compile(
    r"((?<![a-z])(?:api[_-]?key|access[_-]?token|auth[_-]?token|client[_-]?secret|secret[_-]?key|password|passwd)"
    r"[\"']?\s{0,4}[:=]\s{0,4}[\"']?)(?!\[)[^\s\"',;&\[\]{}()]{6,}+",
    re.IGNORECASE,
)
_IBAN: Final = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?!\w)", re.IGNORECASE)
# Greedy, not possessive: before 3.11.5 a possessive group that has alternatives within loses matches (gh-106052). What
# it gives back is one group of digits at most.
_CARD: Final = re.compile(r"(?<!\w)\d{3,19}(?:[ -]\d{3,19})*(?!\w)")
_OCTET: Final = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_IPV4: Final = re.compile(rf"(?<![\w.]){_OCTET}(?:\.{_OCTET}){{3}}(?!\w|\.\d)")
_IPV6: Final = re.compile(
    rf"(?<![\w:.])[0-9a-f]{{0,4}}(?::[0-9a-f]{{0,4}}){{2,7}}(?::{_OCTET}(?:\.{_OCTET}){{3}})?(?![\w:]|\.\d)",
    re.IGNORECASE,
)
_PHONE: Final = re.compile(
    r"(?<![\w.+])(?:"
    r"(?:\+|00)[1-9](?:[ ./()-]{0,2}\d){6,14}"
    r"|\(0?\d{2,5}\)[ -]?\d{2,8}(?:[ -]\d{2,8}){0,4}"
    r"|0\d{1,4}(?:[ /-]\d{2,8}){1,5}"
    r"|[2-9]\d{2}[-. ][2-9]\d{2}[-. ]\d{4}"
    r")(?![\w]|-\d)"
)
_DATE: Final = re.compile(r"\d{1,2}([ ./-])\d{1,2}\1(?:\d{4}|\d{2})\Z")
_DIGIT: Final = re.compile(r"\d")
_STRING: Final = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*)"(\s*+:)?+', re.DOTALL)


def redact_text(text: str) -> str:
    """Return a text with personal data and keys replaced by the name of what they were."""
    if "eyJ" in text:
        text = _JWT.sub("[token]", text)
    text = _BEARER.sub(r"\1[token]", text)
    text = _KEY.sub("[key]", text)
    text = _NAMED.sub(r"\1[secret]", text)
    if "@" in text:
        text = _EMAIL.sub("[email]", text)
    if ":" in text:
        text = _IPV6.sub(_mask_ipv6, text)
    if _DIGIT.search(text) is None:
        return text
    text = _IPV4.sub("[ip]", text)
    text = _IBAN.sub(_mask_iban, text)
    text = _CARD.sub(_mask_cards, text)
    return _PHONE.sub(_mask_phone, text)


def redact_body(
    body: bytes, content_type: str, operation: Operation = Operation.CHAT, dialect: Dialect = Dialect.OPENAI_CHAT
) -> bytes:
    """Return what may be kept of a body, always as JSON. The body must have no content coding any more.

    `operation` and `dialect` say how a stream is assembled.
    """
    if not body:
        return b""
    if operation is Operation.REALTIME:
        return _redact_realtime(body)
    if is_stream(content_type, body):
        return redact_json(assemble_stream(operation, dialect, body)) or _noted(body, "")
    if dialect is Dialect.GEMINI and operation is Operation.CHAT and body.lstrip().startswith(b"["):
        return redact_json(assemble_array(dialect, body)) or _noted(body, content_type)
    if not body.lstrip().startswith((b"{", b"[")):
        form = read_form(content_type, body)
        if form is None:
            return _noted(body, content_type)
        body = encode(outlined(form))
    return redact_json(body) or _redact_lines(body) or _noted(body, content_type)


def redact_json(document: bytes, depth: int = 0) -> bytes | None:
    """Return a JSON document with its strings redacted; None when it is not JSON."""
    document = document.decode("utf-8", "replace").encode()
    try:
        msgspec.json.decode(document, type=Raw)
        return _STRING.sub(lambda found: _redacted(found, depth), document)
    except UNREADABLE:
        return None


def _redact_realtime(body: bytes) -> bytes:
    sent = join_messages(body)
    whole = encode(sent) if sent.type is not None else assemble_stream(Operation.REALTIME, Dialect.MISTRAL, body)
    return redact_json(whole) or _noted(body, "")


def _redact_lines(body: bytes) -> bytes | None:
    """Redact JSON lines, of which the last may be cut; None where there are none."""
    *lines, last = body.split(b"\n")
    redacted = [redact_json(line) for line in lines if line.strip()]
    kept = [line for line in redacted if line is not None]
    if not kept or len(kept) < len(redacted):
        return None
    if last.strip():
        kept.append(redact_json(last) or _noted(last, ""))
    return b"\n".join(kept)


def _noted(body: bytes, content_type: str) -> bytes:
    kind = content_type.partition(";")[0].strip()
    return encode({"left_out": size_note(len(body), kind)})


def _redacted(found: re.Match[bytes], depth: int) -> bytes:
    """Return a string of a JSON document redacted, or as it was: a key, or with nothing in it."""
    literal = found[0]
    if found[2] is not None or len(literal) < 7:  # too short for anything that is looked for
        return literal
    text = msgspec.json.decode(literal, type=str)
    kept = media_note(text)
    if kept is None and depth < _DEPTH and text.lstrip().startswith(("{", "[")):
        inner = redact_json(text.encode("utf-8", "replace"), depth + 1)
        kept = None if inner is None else inner.decode()
    if kept is None:
        kept = redact_text(text)
    return literal if kept == text else encode(kept)


def _mask_cards(found: re.Match[str]) -> str:
    """Replace the card numbers in a run of groups of digits: those whose checksum is right."""
    pieces = re.split(r"([ -])", found[0])
    kept: list[str] = []
    start = 0
    while start < len(pieces):
        end = _card_end(pieces, start)
        kept.append(pieces[start] if end is None else "[card]")
        start = start + 1 if end is None else end
    return "".join(kept)


def _card_end(pieces: list[str], start: int) -> int | None:
    """Return where the card number ends that begins with this group of digits; None when none does."""
    digits = ""
    for end in range(start, len(pieces), 2):
        digits += pieces[end]
        if len(digits) > _CARD_DIGITS[-1] or not pieces[start].isdecimal():
            return None
        if len(digits) in _CARD_DIGITS and digits[0] not in "01" and _has_luhn_checksum(digits):
            return end + 1
    return None


def _has_luhn_checksum(digits: str) -> bool:
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0


def _mask_iban(found: re.Match[str]) -> str:
    """Replace the longest beginning, up to the end of a group, whose checksum is right."""
    text = found[0]
    ends = [len(text), *(place for place in range(len(text) - 1, 0, -1) if text[place] in " -")]
    for end in ends:
        number = text[:end].replace(" ", "").replace("-", "").upper()
        if len(number) in _IBAN_LENGTHS and number.isascii() and _has_iban_checksum(number):
            return "[iban]" + text[end:]
    return text


def _has_iban_checksum(number: str) -> bool:
    return int("".join(str(int(character, 36)) for character in number[4:] + number[:4])) % 97 == 1


def _mask_ipv6(found: re.Match[str]) -> str:
    text = found[0]
    try:
        address = IPv6Address(text)
    except AddressValueError:
        return text
    return "[ip]" if int(address) else text


def _mask_phone(found: re.Match[str]) -> str:
    text = found[0]
    digits = sum(map(str.isdecimal, text))
    return text if digits not in _PHONE_DIGITS or _DATE.match(text) is not None else "[phone]"
