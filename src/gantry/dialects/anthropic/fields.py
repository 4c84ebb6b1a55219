"""Readers of a request's typed members, each naming the path of what is wrong."""

from typing import TypeVar

from msgspec import Raw

from gantry.core.chat import CacheMark
from gantry.core.errors import InvalidRequest
from gantry.dialects.members import (
    NULL,
    Members,
    decode_flag,
    decode_list,
    decode_texts,
    decode_whole,
    has,
    is_text,
    read,
    read_members,
    read_text,
)

T = TypeVar("T")


def optional_text(members: Members, name: str, path: str = "") -> str | None:
    return read_text(members[name], path + name) if has(members, name) else None


def optional_whole(members: Members, name: str, path: str = "") -> int | None:
    return read(decode_whole, members[name], path + name, "a whole number") if has(members, name) else None


def optional_flag(members: Members, name: str, path: str = "") -> bool | None:
    return read(decode_flag, members[name], path + name, "true or false") if has(members, name) else None


def optional_texts(members: Members, name: str) -> tuple[str, ...]:
    return tuple(read(decode_texts, members[name], name, "a list of strings")) if has(members, name) else ()


def read_list(raw: Raw | None, path: str, wanted: str = "a list") -> list[Raw]:
    if raw is None:
        raise InvalidRequest(f"`{path}` is missing", param=path)
    return read(decode_list, raw, path, wanted)


def read_cache(members: Members, path: str = "") -> CacheMark | None:
    """Return the mark of a block, a tool or a request. Format: https://docs.anthropic.com/en/docs/prompt-caching."""
    if not has(members, "cache_control"):
        return None
    found = read_members(members["cache_control"], path + "cache_control")
    return CacheMark(optional_text(found, "ttl", f"{path}cache_control."))


def leftovers(members: Members, known: frozenset[str], path: str) -> Members:
    """Return what we do not understand of a block or a tool, by its path."""
    if members.keys() <= known:
        return {}
    return {path + name: raw for name, raw in members.items() if name not in known and raw != NULL}


def content_items(raw: Raw | None, path: str) -> str | list[Raw]:
    """Return content as its text, or as its blocks."""
    if raw is None:
        raise InvalidRequest(f"`{path}` is missing", param=path)
    if is_text(raw):
        return read_text(raw, path)
    return read_list(raw, path, "a string or a list of content blocks")
