"""The usage object of an answer that was not kept, in the words of its dialect.

Law: as all reading for the record, it never raises. What is one family's spelling is read by its own reader; the others
write what `usage` understands.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw

from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.usage import UsageReader
from gantry.dialects.bedrock import usage as bedrock
from gantry.dialects.cohere import usage as cohere
from gantry.dialects.gemini import usage as gemini
from gantry.dialects.members import UNREADABLE
from gantry.dialects.usage import read_usage

_decode_bedrock: Final = msgspec.json.Decoder(bedrock.UsageShape).decode
_decode_cohere: Final = msgspec.json.Decoder(cohere.UsageShape).decode


def read_reported_usage(dialect: Dialect, raw: bytes) -> tuple[Usage, Sequence[str]]:
    """Return the usage in what `find_usage` found, and what was wrong with it."""
    usage = NO_USAGE
    try:
        if dialect is Dialect.ANTHROPIC:
            usage = UsageReader().add(Raw(raw))
        elif dialect is Dialect.GEMINI:
            usage = gemini.read_usage(Raw(raw))[0]
        elif dialect is Dialect.BEDROCK:
            usage = bedrock.read_usage(_decode_bedrock(raw))
        elif dialect is Dialect.COHERE:
            usage = cohere.read_usage(_decode_cohere(raw))
    except UNREADABLE:
        pass
    return read_usage(raw) if usage == NO_USAGE else (usage, ())
