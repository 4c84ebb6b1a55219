"""A history that other providers had a part in, on its way to Anthropic itself."""

import json
from typing import Any

import pytest

from gantry.dialects.anthropic.unsigned import without_unsigned

TEXT = {"type": "text", "text": "Hi"}
SIGNED = {"type": "thinking", "thinking": "t", "signature": "sig"}
UNSIGNED = {"type": "thinking", "thinking": "t", "signature": ""}
CARRIED = {"type": "thinking", "thinking": "t", "signature": "gantry.abc"}
SEALED, OPEN = {"url": "u", "encrypted_index": "e"}, {"url": "u", "encrypted_index": ""}


def turn(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


TURNS: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    (turn(UNSIGNED, TEXT), turn(TEXT)),
    (turn(SIGNED, UNSIGNED), turn(SIGNED)),
    (turn(UNSIGNED), None),
    (turn(CARRIED, TEXT), turn(TEXT)),
    (turn({**TEXT, "citations": [OPEN]}), turn(TEXT)),
    (turn({**TEXT, "citations": [OPEN, SEALED]}), turn({**TEXT, "citations": [SEALED]})),
]


@pytest.mark.parametrize(("before", "after"), TURNS)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_what_is_unsigned_is_taken_out(
    before: dict[str, Any], after: dict[str, Any] | None, separators: tuple[str, str]
) -> None:
    asked = {"role": "user", "content": "a"}
    body = json.dumps({"model": "m", "x": None, "messages": [asked, before]}, separators=separators).encode()
    found = json.loads(without_unsigned(body))
    assert found == {"model": "m", "x": None, "messages": [asked] if after is None else [asked, after]}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"messages": [turn(SIGNED, TEXT)]}).encode(),
        json.dumps({"messages": [{"role": "user", "content": 'say "signature": ""'}]}).encode(),
        b'{"signature":"","messages":3}',
        b'{"signature":""',
    ],
)
def test_a_request_without_any_keeps_its_bytes(body: bytes) -> None:
    assert without_unsigned(body) == body
