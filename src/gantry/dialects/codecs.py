"""The registry of chat codecs: to add a dialect is to add its codec, its golden files and a line here."""

from collections.abc import Mapping
from typing import Final

from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.codec import ANTHROPIC
from gantry.dialects.bedrock.codec import BEDROCK
from gantry.dialects.codec import Codec
from gantry.dialects.cohere.codec import COHERE
from gantry.dialects.gemini.codec import GEMINI
from gantry.dialects.mistral_chat.codec import MISTRAL
from gantry.dialects.openai_chat.codec import OPENAI_CHAT
from gantry.dialects.responses.codec import RESPONSES

CODECS: Final[Mapping[Dialect, Codec]] = {
    codec.dialect: codec for codec in (MISTRAL, OPENAI_CHAT, RESPONSES, ANTHROPIC, GEMINI, BEDROCK, COHERE)
}
