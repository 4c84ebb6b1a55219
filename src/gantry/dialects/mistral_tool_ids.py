"""Tool-call ids as Mistral takes them: nine letters and digits.

Law: deterministic, so that the id in a call and the id in its result stay the same from turn to turn without any
memory; an id that fits already is kept. Models on older tokenizers refuse anything else (code 3280).
"""

import hashlib
from typing import Final

_LENGTH: Final = 9
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class ToolIds:
    """The ids of one request. No two different ones become the same."""

    __slots__ = ("_given", "_taken", "changed")

    def __init__(self) -> None:
        self.changed = False  # whether an id that was given became another
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()

    def adapt(self, given: str) -> str:
        known = self._given.get(given)
        if known is not None:
            return known
        fitting = given if _fits(given) else _nine_of(given)
        salt = 0
        while fitting in self._taken:
            salt += 1
            fitting = _nine_of(f"{given}\0{salt}")
        self._given[given] = fitting
        self._taken.add(fitting)
        self.changed = self.changed or fitting != given
        return fitting


def mint_tool_id(answer_id: str | None, number: int) -> str:
    """Return an id for a call that came without one: the same for the same call, another in another answer."""
    return _nine_of(f"{answer_id}/{number}")


def _fits(given: str) -> bool:
    return len(given) == _LENGTH and given.isascii() and given.isalnum()


def _nine_of(text: str) -> str:
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), "big")
    characters = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return "".join(characters)
