"""The registry of chat codecs: to add a dialect is to add its codec, its golden files and a line here."""

from collections.abc import Mapping
from typing import Final

from gantry.core.vocabulary import Dialect
from gantry.dialects.bedrock.codec import BEDROCK
from gantry.dialects.codec import Codec
from gantry.dialects.cohere.codec import COHERE

CODECS: Final[Mapping[Dialect, Codec]] = {
    Dialect.BEDROCK: BEDROCK,
    Dialect.COHERE: COHERE,
}
