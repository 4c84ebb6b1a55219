"""Messages with one text and nothing else that says something, as most are: the shape that they are decoded into.

Apart from `store.full_text`, which is compiled: a struct there would lose the types of its fields.
"""

from typing import Final

import msgspec
from msgspec import Struct


class PlainMessage(Struct, forbid_unknown_fields=True, gc=False):
    """A message with one text."""

    content: str
    role: str | None = None
    tool_calls: None = None
    refusal: None = None


# Raises msgspec.ValidationError where there is more in it.
decode_plain: Final = msgspec.json.Decoder(list[PlainMessage] | PlainMessage).decode
