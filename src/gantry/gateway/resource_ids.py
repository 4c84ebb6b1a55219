"""Ids of what lives with an account at a provider: found in requests, taken from answers, withheld from lists.

Law: pure functions over bytes, linear in them. An id may be spelled in several ways that a provider takes for one, so
each is brought to one spelling first. A list's bytes are unchanged unless something is withheld.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import unquote, unquote_to_bytes

import msgspec
from msgspec import Raw, Struct

from gantry.core.vocabulary import STATEFUL_OPERATIONS, Operation
from gantry.wire.envelope import peek
from gantry.wire.multipart import MULTIPART, URLENCODED
from gantry.wire.sse import SSEParser

# What a completion by an agent is called is not the name of anything that is kept.
CREATING: Final = (STATEFUL_OPERATIONS - {Operation.AGENT_CHAT}) | {Operation.OPAQUE}
_EVENT_STREAM: Final = "text/event-stream"
_LISTS: Final = ("data", "items")
_COUNTS: Final = ("total", "total_count", "count")
_PAGINATION: Final = "pagination"
_TOTAL_OF_PAGES: Final = "total_items"
_RESULTS: Final = ("batch_result", "batch_error")

# Parsers take a UUID bare, in braces, as a URN, with dashes or without; providers put a prefix before it, too.
_UUID: Final = re.compile(r"(?:^|[^0-9A-Za-z])((?:[0-9A-Fa-f]-?){31}[0-9A-Fa-f])\}?$")
_UUID_DIGITS: Final = 32
_PREFIXED: Final = re.compile(r"[A-Za-z]{1,12}[_:-](?=[^0-9]*[0-9])[\w:.-]{6,}", re.ASCII)
_CHARACTER: Final = rb"[A-Za-z0-9_:{}.-]"
_IN_JSON: Final = re.compile(rb'"((?:%b|\\u00[0-7][0-9A-Fa-f]){8,128}+)(?=")' % _CHARACTER)
_IN_PARTS: Final = re.compile(rb"\r\n\r\n(%b{8,128}+)(?=\r\n)" % _CHARACTER)
_IN_PAIRS: Final = re.compile(rb"=(%b{8,128}+)(?=&|$)" % _CHARACTER)
_IN_PATH: Final = re.compile(r"[/?&=#;,+ ]")
_ESCAPED: Final = re.compile(r"\\u(....)")
_MADE_FILE: Final = re.compile(rb'"file_id"\s*:\s*"(%b{8,128}+)"' % _CHARACTER)


class Item(Struct, gc=False):
    """What a list, or an answer, tells of one resource. `made` is what came of it without a call of its own."""

    id: Any = None
    conversation_id: Any = None
    output_file: Any = None
    error_file: Any = None
    fine_tuned_model: Any = None
    sample_type: Any = None

    @property
    def key(self) -> str | None:
        return _key_of(self.id)

    @property
    def made(self) -> list[str]:
        return resource_keys((self.output_file, self.error_file, self.fine_tuned_model))

    @property
    def is_result(self) -> bool:
        """Whether it is a file in which a provider left what came of a batch."""
        return self.sample_type in _RESULTS


_item: Final = msgspec.json.Decoder(Item)
_raws: Final = msgspec.json.Decoder(list[Raw])
_number: Final = msgspec.json.Decoder(int)


def resource_key(text: str) -> str | None:
    """Return the one spelling of an id; None for what does not look like one."""
    uuid = _UUID.search(text) if len(text) >= _UUID_DIGITS else None
    if uuid is not None:
        return uuid[1].replace("-", "").lower()
    return text if _PREFIXED.fullmatch(text) else None


def resource_keys(values: Iterable[Any]) -> list[str]:
    """Return the spellings of those values that are ids, each once."""
    return _unique(key for value in values if (key := _key_of(value)) is not None)


def ids_in_path(path: str) -> list[str]:
    """Return the ids in a request's target, its query included."""
    return resource_keys(_IN_PATH.split(unquote(path)))


def ids_in_body(body: bytes, content_type: str = "") -> list[str]:
    """Return the ids that are whole strings of a JSON body, or whole values of a form."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == MULTIPART:
        found = _IN_PARTS.findall(body)
    elif media_type == URLENCODED:
        found = _IN_PAIRS.findall(unquote_to_bytes(body))
    else:
        if b"\0" in body[:4]:  # UTF-16 and UTF-32 are JSON to some parsers
            body = body.decode(json.detect_encoding(body), "replace").encode()
        found = _IN_JSON.findall(body)
    return resource_keys(_unescape(token) for token in set(found))  # the names of members come again and again


def created_ids(operation: Operation, status: int, content_type: str, body: bytes) -> list[str]:
    """Return what an answer, whole or a stream of events, says was made by the request."""
    if operation not in CREATING or not 200 <= status < 300:
        return []
    if content_type.partition(";")[0].strip().lower() != _EVENT_STREAM:
        return ids_made(operation, body)
    parser = SSEParser(len(body) + 1)
    events = parser.feed(body) + parser.close()
    return _unique(key for event in events for key in ids_made(operation, event.data))


def ids_made(operation: Operation, document: bytes) -> list[str]:
    """Return what one JSON document of an answer says was made."""
    if operation is Operation.CONVERSATIONS:  # its other ids are those of entries
        files = _MADE_FILE.findall(document) if b'"file_id"' in document else []
        return resource_keys((read_item(document).conversation_id, *(file.decode() for file in files)))
    item = read_item(document)
    return _unique((*resource_keys((item.id, item.conversation_id)), *item.made))


def read_item(document: bytes | Raw) -> Item:
    """Return what a JSON value tells of a resource; nothing if it is of another kind."""
    try:
        return _item.decode(document)
    except msgspec.DecodeError:
        return Item()


def told_items(body: bytes) -> list[Item]:
    """Return the items of a list answer, or else what the answer is. Raises InvalidRequest or DecodeError."""
    _, text = _list_in(body)
    return [read_item(body), *(read_item(raw) for raw in _raws.decode(text))]


def withhold_foreign(body: bytes, is_foreign: Callable[[Item], bool]) -> bytes:
    """Return a list answer without what is foreign, its counts as if that did not exist.

    Raises InvalidRequest or DecodeError when it cannot be read.
    """
    name, text = _list_in(body)
    items = _raws.decode(text)
    kept = [bytes(raw) for raw in items if not is_foreign(read_item(raw))]
    gone = len(items) - len(kept)
    if not gone:
        return body
    remaining = b"[" + b",".join(kept) + b"]"
    if name is None:
        return remaining
    return peek(body).splice({name: remaining, **_lowered(body, _COUNTS, gone), **_lowered_pagination(body, gone)})


def _list_in(body: bytes) -> tuple[str | None, bytes]:
    """Return the list in an answer, as its name and text: the answer itself has no name, and may have no list."""
    if body.lstrip()[:1] == b"[":
        return None, body
    envelope = peek(body)
    for name in _LISTS:
        text = envelope.get(name)
        if text is not None and text.startswith(b"["):
            return name, text
    return None, b"[]"


def _lowered(body: bytes, names: Iterable[str], gone: int) -> dict[str, bytes]:
    envelope = peek(body)
    lowered = {}
    for name in names:
        text = envelope.get(name)
        if text is not None and text.isdigit():
            lowered[name] = b"%d" % max(_number.decode(text) - gone, 0)
    return lowered


def _lowered_pagination(body: bytes, gone: int) -> dict[str, bytes]:
    pagination = peek(body).get(_PAGINATION)
    if pagination is None or not pagination.startswith(b"{"):
        return {}
    return {_PAGINATION: peek(pagination).splice(_lowered(pagination, (_TOTAL_OF_PAGES,), gone))}


def _unescape(token: bytes) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), token.decode())


def _key_of(value: Any) -> str | None:
    return resource_key(value) if isinstance(value, str) else None


def _unique(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(keys))
