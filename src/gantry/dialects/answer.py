"""Reading an answer for the record: who answered, what it said, what it used.

Law: never raises. Whatever the bytes are (cut short, not UTF-8, a web page where JSON was due), what can be read is
reported and the rest is named in `warnings`. A stream and a plain answer go through the same fold; which one is chosen
by the operation alone, because providers of one family write the same keys.
"""

from collections.abc import Callable, Mapping
from typing import Final, assert_never

from gantry.core.errors import GatewayError
from gantry.core.vocabulary import STATEFUL_OPERATIONS, Dialect, Operation
from gantry.dialects.audio_fold import AudioFold
from gantry.dialects.batch_results import JobFold, read_batch_results
from gantry.dialects.chat_fold import ChatFold
from gantry.dialects.codecs import CODECS
from gantry.dialects.conversation_fold import ConversationFold
from gantry.dialects.documents import (
    Describe,
    DocumentFold,
    describe_classifications,
    describe_embeddings,
    describe_models,
    describe_moderations,
    describe_pages,
    describe_ranking,
    describe_resource,
)
from gantry.dialects.error_message import clip_message
from gantry.dialects.fold import EMPTY_ANSWER, Answer, Fold, as_text, encode
from gantry.dialects.image_fold import ImageFold
from gantry.dialects.media import size_note
from gantry.dialects.outline import outline
from gantry.dialects.responses_fold import ResponsesFold
from gantry.dialects.tail import find_usage
from gantry.dialects.told_answer import assemble_by_codec, read_by_codec, retell
from gantry.dialects.usage import read_usage
from gantry.dialects.whole_chat import read_whole
from gantry.wire.sse import SSEParser

__all__ = ["EMPTY_ANSWER", "Answer", "fold_stream", "is_stream", "read_answer"]

_DONE: Final = b"[DONE]"
_STREAM_STARTS: Final = (b"data:", b"event:", b":", b"id:", b"retry:")
_PLAIN_STREAM_STARTS: Final = (b"data:", b"event:")
_PAGE_BYTES: Final = 4096
_JSON: Final = "application/json"
_STREAM_TYPES: Final = ("text/event-stream", "application/vnd.amazon.eventstream")
_BY_CODEC: Final = frozenset((Dialect.ANTHROPIC, Dialect.GEMINI, Dialect.BEDROCK, Dialect.COHERE))
# Python 3.11 reads an enum's member through a descriptor, which costs a twentieth of a microsecond each time.
_CHAT, _REALTIME, _FILES = Operation.CHAT, Operation.REALTIME, Operation.FILES


def _document(describe: Describe) -> Callable[[bool], Fold]:
    return lambda streamed: DocumentFold(describe)


_FOLDS: Final[Mapping[Operation, Callable[[bool], Fold]]] = {
    Operation.CHAT: ChatFold,
    Operation.FIM: ChatFold,
    Operation.COMPLETIONS: ChatFold,
    Operation.AGENT_CHAT: ChatFold,
    Operation.RESPONSES: ResponsesFold,
    Operation.RESPONSE: _document(describe_resource),
    Operation.COUNT_TOKENS: _document(describe_resource),
    Operation.EMBEDDINGS: _document(describe_embeddings),
    Operation.EMBEDDING: _document(describe_embeddings),
    Operation.RERANK: _document(describe_ranking),
    Operation.IMAGES: ImageFold,
    Operation.IMAGE_EDITS: ImageFold,
    Operation.IMAGE_VARIATIONS: ImageFold,
    Operation.MODERATION: _document(describe_moderations),
    Operation.CHAT_MODERATION: _document(describe_moderations),
    Operation.CLASSIFICATION: _document(describe_classifications),
    Operation.CHAT_CLASSIFICATION: _document(describe_classifications),
    Operation.OCR: _document(describe_pages),
    Operation.TRANSCRIPTION: AudioFold,
    Operation.SPEECH: AudioFold,
    Operation.REALTIME: AudioFold,
    Operation.MODELS: _document(describe_models),
    Operation.MODEL: _document(describe_resource),
    Operation.CONVERSATIONS: ConversationFold,
    Operation.AGENTS: _document(describe_resource),
    Operation.FILES: _document(describe_resource),
    Operation.BATCHES: JobFold,
    Operation.LIBRARIES: _document(describe_resource),
    Operation.FINE_TUNING: _document(describe_resource),
    Operation.VOICES: _document(describe_resource),
    Operation.OPAQUE: ChatFold,
}
# Whose answers may be sound or a file.
_BINARY: Final = frozenset((Operation.SPEECH, Operation.VOICES, Operation.FILES, Operation.LIBRARIES))


def read_answer(operation: Operation, dialect: Dialect, content_type: str, body: bytes) -> Answer:
    """Return what an answer says. Never raises."""
    if not body:
        return EMPTY_ANSWER
    match dialect:
        case Dialect.MISTRAL | Dialect.OPENAI_CHAT | Dialect.OPENAI_RESPONSES | Dialect.VOYAGE:
            return _read(operation, content_type, body)
        case Dialect.ANTHROPIC | Dialect.GEMINI | Dialect.BEDROCK | Dialect.COHERE:
            if operation is _CHAT:
                return read_by_codec(CODECS[dialect], body, streamed=is_stream(content_type, body))
            return _read(operation, content_type, body)
        case _:
            assert_never(dialect)


def is_stream(content_type: str, body: bytes) -> bool:
    """Say whether a body is an event stream: by its content type, or by its first line where that says nothing.

    What begins as a JSON object is none: a redacted stream is kept as the one document that it came to.
    """
    if content_type.startswith(_JSON):
        return False
    if content_type.startswith(_STREAM_TYPES):
        return not body.startswith(b"{")
    if content_type.startswith("text/plain"):
        return body.startswith(_PLAIN_STREAM_STARTS)
    return not content_type and body.startswith(_STREAM_STARTS)


def assemble_stream(operation: Operation, dialect: Dialect, body: bytes) -> bytes:
    """Return a stream as the one document of its dialect that it came to."""
    if operation is _CHAT and dialect in _BY_CODEC:
        return assemble_by_codec(CODECS[dialect], body)
    whole: bytes = fold_stream(operation, body)[0].whole()
    return whole


def assemble_array(dialect: Dialect, body: bytes) -> bytes:
    """Return a stream that came as one JSON array as the one document that it came to; nothing where it is none."""
    codec = CODECS[dialect]
    try:
        answer = codec.decode_answer(body)
    except GatewayError:
        return b""
    return retell(codec, answer)


def fold_stream(operation: Operation, body: bytes) -> tuple[Fold, bool, list[str]]:
    """Return the fold of a stream's events, whether the stream said that it ended, and what was wrong with it."""
    fold = _FOLDS[operation](True)
    done = False
    unreadable = 0
    for data in _events(operation, body):
        if data.startswith(_DONE):
            done = True
        elif data and not fold.add(data):
            unreadable += 1
    return fold, done, [f"{unreadable} events of the stream are not JSON objects"] if unreadable else []


def _read(operation: Operation, content_type: str, body: bytes) -> Answer:
    if operation is _REALTIME or is_stream(content_type, body):
        fold, done, warnings = fold_stream(operation, body)
        return fold.answer(done, warnings)
    if operation is _FILES:
        results = read_batch_results(body)
        if results is not None:
            return results
    if "json" not in content_type and not content_type.startswith("text/html"):
        other = _read_other(operation, content_type, body)
        if other is not None:
            return other
    answer = _read_document(_FOLDS[operation], body)
    if answer is not None:
        return answer
    listed = outline(body) if operation in STATEFUL_OPERATIONS and body.startswith((b"[", b'"')) else None
    return Answer(message=as_text(listed), complete=True) if listed is not None else _salvage(content_type, body)


def _read_document(fold_type: Callable[[bool], Fold], body: bytes) -> Answer | None:
    if fold_type is ChatFold:
        return read_whole(body)
    fold = fold_type(False)
    return fold.answer(True) if fold.add(body) else None


def _events(operation: Operation, body: bytes) -> list[bytes]:
    if operation is _REALTIME:
        return body.split(b"\n")
    parser = SSEParser(limit=len(body))
    return [event.data for event in (*parser.feed(body), *parser.close())]


def _read_other(operation: Operation, content_type: str, body: bytes) -> Answer | None:
    """Read an answer that is not meant to be JSON; None where it is."""
    if operation is Operation.OPAQUE:
        return Answer(complete=True)
    if body.startswith(b"{"):
        return None
    if operation is Operation.TRANSCRIPTION:
        text = as_text(body)
        return Answer(message=text, text=text, complete=True)
    if operation in _BINARY:
        kind = content_type.partition(";")[0].strip()
        return Answer(message=as_text(encode({"content": size_note(len(body), kind)})), complete=True)
    return None


def _salvage(content_type: str, body: bytes) -> Answer:
    """Read a body that is no JSON object: an answer cut short still may hold its usage, a web page its text."""
    found = find_usage(body)
    if found is not None:
        usage, warnings = read_usage(found[0])
        return Answer(
            model=found[1],
            usage=usage,
            usage_raw=as_text(found[0]),
            warnings=("the answer is not whole JSON", *warnings),
        )
    if body.lstrip().startswith(b"{") or "json" in content_type:
        return Answer(warnings=("the answer is not whole JSON",))
    page = body[:_PAGE_BYTES].decode("utf-8", "replace")
    return Answer(error=clip_message(page), warnings=("the answer is not JSON",))
