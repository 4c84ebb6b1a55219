"""Reading a request for the record: what was asked, in a readable form, and the units that only the request can tell.

Law: never raises; a request that cannot be read is a warning. What a person wrote is kept as it was sent. Files, sound
and images are named with their size where the operation is about them, and stay within a chat's messages as sent.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import ChatRequest, FunctionTool
from gantry.core.errors import GatewayError
from gantry.core.vocabulary import EMBEDDING_OPERATIONS, Dialect, Operation
from gantry.dialects.chat_chunk import has_value, read_shape
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.codec import Target
from gantry.dialects.codecs import CODECS
from gantry.dialects.fold import encode
from gantry.dialects.form import MULTIPART, URLENCODED, read_form
from gantry.dialects.gemini.embeddings import read_gemini_texts
from gantry.dialects.gemini.token_count import decode_count_request
from gantry.dialects.media import decoded_size, size_note
from gantry.dialects.members import UNREADABLE, check_encoding, decode_list, decode_text
from gantry.dialects.outline import outlined
from gantry.dialects.question_shapes import NO_UNITS, AskedParts, OfferedTool, RealtimeMessage, Units

# Read by an outline of the whole request: they are about resources, or carry media.
_OUTLINED: Final = frozenset(
    (
        Operation.OCR,
        Operation.TRANSCRIPTION,
        Operation.IMAGE_EDITS,
        Operation.IMAGE_VARIATIONS,
        Operation.AGENTS,
        Operation.FILES,
        Operation.BATCHES,
        Operation.LIBRARIES,
        Operation.FINE_TUNING,
        Operation.VOICES,
    )
)
_BY_CODEC: Final = frozenset((Dialect.ANTHROPIC, Dialect.GEMINI, Dialect.BEDROCK, Dialect.COHERE))
_INSTRUCTED: Final = frozenset((Operation.RESPONSES, Operation.CONVERSATIONS))
_FORMS: Final = (MULTIPART, URLENCODED)
# Python 3.11 reads an enum's member through a descriptor, which costs a twentieth of a microsecond each time.
_CHAT, _COUNT_TOKENS, _REALTIME, _RERANK = Operation.CHAT, Operation.COUNT_TOKENS, Operation.REALTIME, Operation.RERANK
_GEMINI: Final = Dialect.GEMINI
_MEASURED: Final = frozenset((Operation.OCR, Operation.SPEECH))
_MAX_TOKENS: Final = 10**15


class Question(Struct, frozen=True, gc=False):
    """What was asked."""

    input: str | None = None
    units: Units = NO_UNITS
    tools: str | None = None  # the names of those offered, as a JSON list
    temperature: float | None = None
    max_tokens: int | None = None
    problem: str | None = None


_NOTHING: Final = Question()
_UNREAD: Final = Question(problem="the request's input could not be read")
_decode: Final = msgspec.json.Decoder(AskedParts).decode


def read_question(
    operation: Operation, content_type: str, body: bytes, dialect: Dialect = Dialect.OPENAI_CHAT
) -> Question:
    """Return what a request asks. Never raises."""
    if operation is _CHAT and dialect in _BY_CODEC and body.startswith(b"{"):
        return _read_by_codec(dialect, body)
    if operation is _COUNT_TOKENS and dialect is _GEMINI:
        return _read_by_codec(dialect, body, decode_count_request)
    if operation is _REALTIME:
        return _read_realtime(body)
    if not body.startswith(b"{"):
        return _read_form(content_type, body) if content_type.lower().startswith(_FORMS) else _NOTHING
    request = _read_request(body)
    if request is None:
        return _UNREAD
    if dialect is _GEMINI and operation in EMBEDDING_OPERATIONS:
        texts = read_gemini_texts(body)
        return _UNREAD if texts is None else Question(encode(texts).decode())
    try:
        asked = _outline(body) if operation in _OUTLINED else _asked(operation, request)
    except UNREADABLE:
        return _UNREAD
    limit = request.max_tokens or request.max_completion_tokens or request.max_output_tokens
    return Question(
        asked,
        _units(operation, request) if operation in _MEASURED else NO_UNITS,
        None if request.tools is ABSENT else tool_names(request.tools),
        request.temperature,
        limit if limit is None or 0 <= limit <= _MAX_TOKENS else None,
    )


def _read_by_codec(
    dialect: Dialect, body: bytes, decode_request: Callable[[bytes], ChatRequest] | None = None
) -> Question:
    """Read a request of another family: its messages as OpenAI's, so that all conversations in the log read alike."""
    try:
        check_encoding(body)
        request = (decode_request or CODECS[dialect].decode_request)(body)
        told = CODECS[Dialect.OPENAI_CHAT].encode_request(request, Target(request.model))
        messages = _decode(told.body).messages
    except GatewayError:
        return _UNREAD
    names = [tool.name if isinstance(tool, FunctionTool) else tool.kind for tool in request.tools]
    return Question(
        bytes(messages).decode(),
        tools=encode(names).decode() if names else None,
        temperature=request.temperature,
        max_tokens=request.max_tokens,
    )


def request_units(operation: Operation, body: bytes) -> bytes:
    """Return as JSON the units that only the request tells; b"" for none. For requests that are not kept as sent."""
    if operation not in _MEASURED:
        return b""
    request = _read_request(body)
    units = NO_UNITS if request is None else _units(operation, request)
    return b"" if units == NO_UNITS else encode(units)


def read_units(raw: bytes) -> Units:
    """Return the units in what `request_units` wrote."""
    return (read_shape(Units, raw) or NO_UNITS) if raw else NO_UNITS


def tool_names(raw: Raw) -> str | None:
    """Return the names of the tools as a JSON list; a tool of the provider's own is named by its type."""
    try:
        items = decode_list(raw)
    except UNREADABLE:
        return None
    tools = [tool for item in items if (tool := read_shape(OfferedTool, item)) is not None]
    names = [(tool.function and tool.function.name) or tool.name or tool.type for tool in tools]
    return encode([name for name in names if name]).decode() if any(names) else None


def _read_request(body: bytes) -> AskedParts | None:
    try:
        return _decode(body)
    except UNREADABLE:
        return read_shape(AskedParts, body)


def _asked(operation: Operation, request: AskedParts) -> str | None:
    """Return the request's messages, prompt or input: a string as itself, anything else as JSON."""
    if operation is _RERANK and has_value(request.query):
        documents = Raw(b"[]") if request.documents is ABSENT else request.documents
        return encode({"query": request.query, "documents": documents}).decode()
    for raw in (request.messages, request.prompt, request.input, request.inputs, request.texts):
        if not has_value(raw):
            continue
        if has_value(request.suffix):
            return encode({"prompt": raw, "suffix": request.suffix}).decode()
        if operation in _INSTRUCTED and has_value(request.instructions):
            return encode({"instructions": request.instructions, "input": raw}).decode()
        value = bytes(raw)
        return decode_text(value) if value.startswith(b'"') else value.decode()
    return None


def _outline(body: bytes) -> str:
    asked = outlined(msgspec.json.decode(body))
    return encode({name: value for name, value in asked.items() if name != "model"}).decode()


def _units(operation: Operation, request: AskedParts) -> Units:
    if operation is Operation.OCR:
        wanted = has_value(request.bbox_annotation_format) or has_value(request.document_annotation_format)
        return Units(annotated=True) if wanted else NO_UNITS
    try:
        return Units(characters=len(decode_text(request.input)))
    except UNREADABLE:
        return NO_UNITS


def _read_form(content_type: str, body: bytes) -> Question:
    form = read_form(content_type, body)
    return Question(encode(outlined(form)).decode()) if form else _UNREAD


def _read_realtime(body: bytes) -> Question:
    """Read the messages of a realtime caller: the text to speak, or how much sound there was to transcribe."""
    sent = join_messages(body)
    if sent.text:
        return Question(sent.text, Units(characters=len(sent.text)))
    sound = decoded_size(sent.audio) if has_value(sent.audio) else None
    return _NOTHING if sound is None else Question(encode({"audio": size_note(sound, "")}).decode())


def join_messages(body: bytes) -> RealtimeMessage:
    """Return all that a realtime caller sent as one message; of sound, the size."""
    messages = [read_shape(RealtimeMessage, line) for line in body.split(b"\n") if line.strip()]
    sent = [message for message in messages if message is not None and (message.type or "").startswith("input_")]
    text = "".join(message.text for message in sent if message.text)
    if text:
        return RealtimeMessage("input_text.append", text)
    sizes = [size for message in sent if has_value(message.audio) and (size := decoded_size(message.audio)) is not None]
    if not sizes:
        return RealtimeMessage()
    return RealtimeMessage("input_audio.append", audio=Raw(encode(size_note(sum(sizes), ""))))
