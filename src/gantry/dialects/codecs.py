"""The registry of chat codecs: to add a dialect is to add its codec, its golden files and a line here."""

from collections.abc import Mapping
from typing import Final

from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Codec
from gantry.dialects.mistral_chat.codec import MISTRAL
from gantry.dialects.openai_chat.codec import OPENAI_CHAT

CODECS: Final[Mapping[Dialect, Codec]] = {
    Dialect.MISTRAL: MISTRAL,
    Dialect.OPENAI_CHAT: OPENAI_CHAT,
}
