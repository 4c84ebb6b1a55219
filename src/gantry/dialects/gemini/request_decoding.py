"""A request of a Google client, as the canonical chat. Its model and its wish to stream are in its URL, not here."""

from typing import Any, Final

from msgspec import Raw

from gantry.core.chat import ChatRequest, Message, Tool
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.gemini.config_decoding import read_generation, read_tool_config
from gantry.dialects.gemini.content_decoding import read_contents, read_system
from gantry.dialects.gemini.spelling import read_fields
from gantry.dialects.gemini.tools import read_tools
from gantry.dialects.members import UNREADABLE, read_text

STANDARD_TIER: Final = {"standard": "default"}


def decode_request(body: bytes) -> ChatRequest:
    """Return what a client asks, with no model and not streamed. Raises InvalidRequest."""
    try:
        fields = read_fields(Raw(body), "body")
    except (*UNREADABLE, InvalidRequest):
        raise InvalidRequest("the body must be a JSON object with `contents`") from None
    return request_of(fields)


def request_of(fields: dict[str, Raw]) -> ChatRequest:
    """Return the request that these fields of a body make."""
    found: dict[str, Any] = {}
    extra: dict[str, Raw] = {}
    system: list[Message] = []
    contents: list[Message] = []
    tools: list[Tool] = []
    for name, value in fields.items():
        match name:
            case "contents":
                contents = read_contents(value, name)
            case "systemInstruction":
                system = read_system(value, name)
            case "tools":
                tools = read_tools(value, extra)
            case "generationConfig":
                found |= read_generation(value, extra)
            case "toolConfig":
                found |= read_tool_config(value, extra)
            case "serviceTier":
                word = read_text(value, name).lower()
                found["service_tier"] = STANDARD_TIER.get(word, word)
            case "model":
                pass  # the path's
            case _:
                extra[name] = value
    return ChatRequest(
        dialect=Dialect.GEMINI,
        model="",
        messages=(*system, *contents),
        tools=tuple(tools),
        extra=extra,
        **found,
    )
