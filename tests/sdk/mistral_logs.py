"""What the log says of each operation of Mistral's clients."""

from typing import Any

from tests.sdk.environments import Client
from tests.sdk.logs import Logged
from tests.sdk.mistral_table import LACKS, OLD

Rates = tuple[float, float]  # dollars per million tokens read and said
SMALL, MEDIUM, MAGISTRAL, CODESTRAL, VOXTRAL = (0.15, 0.6), (1.5, 7.5), (2.0, 5.0), (0.3, 0.9), (0.1, 0.4)
SPEECH_COST = 12 * 16 / 1e6
TRANSCRIPTION_COST = 3 / 60 * 0.003
SOUND, LONG_SOUND = {"input_audio_seconds": 3.0}, {"input_audio_seconds": 30.0}
SPOKEN = ("Mind the gap", '"audio"')
HEARD = ("a.mp3", "Simulated transcription of a.mp3")
HELLO = ("Hello", "You said: Hello")


def tokens(read: int, said: int) -> dict[str, float]:
    return {"input_tokens": read, "output_tokens": said}


def price(read: int, said: int, rates: Rates) -> float:
    return (read * rates[0] + said * rates[1]) / 1e6


def told(operation: str, read: int, said: int, rates: Rates, log_type: str = "chat", **where: Any) -> Logged:
    """Return a row for an answer that says something."""
    found = {"operation": operation, "status_code": 200, "stream": False, **where}
    name = " ".join(str(word) for word in (operation, *where.values()) if word is not False)
    says = HELLO if operation != "fim" else ("def add(", "You said: def add(")
    return Logged(name, found, log_type, tokens(read, said), price(read, said, rates), says)


def kept(name: str, asked: str | None, answered: str | None, log_type: str = "other", **where: Any) -> Logged:
    """Return a row for an operation on a resource, which costs nothing by itself."""
    return Logged(name, {"operation": name.split()[0], **where}, log_type, says=(asked, answered))


LOGGED = (
    told("chat", 7, 40, SMALL, model="mistral-small-latest", finish_reason="stop"),
    told("chat", 7, 40, SMALL, model="mistral-small-latest", finish_reason="stop", stream=True),
    told("chat", 7, 49, MAGISTRAL, model="magistral-medium-latest"),
    told("chat", 7, 40, SMALL, thread_identifier="sdk-metadata", customer_identifier="yard-7"),
    told("agent_chat", 7, 40, MEDIUM, model="mistral-medium-latest"),
    told("agent_chat", 7, 40, MEDIUM, model="mistral-medium-latest", stream=True),
    told("fim", 5, 40, CODESTRAL, "completion", model="codestral-latest"),
    told("fim", 2, 40, CODESTRAL, "completion", model="codestral-latest", stream=True),
    told("conversations", 5, 40, SMALL, "agent", path="/conversations$", method="POST"),
    told("conversations", 5, 40, SMALL, "agent", path="/conversations$", method="POST", stream=True),
    told("responses", 5, 40, SMALL, "response")._replace(clients=(Client.MISTRAL_3,)),
    told("responses", 5, 40, SMALL, "response", stream=True)._replace(clients=(Client.MISTRAL_3,)),
    Logged(
        "chat with a tool",
        {"operation": "chat", "finish_reason": "tool_calls", "stream": True},
        "chat",
        tokens(7, 4),
        price(7, 4, SMALL),
        ("Hello, Mistral!", "get_weather"),
    ),
    Logged(
        "chat with sound",
        {"operation": "chat", "model": "voxtral-small-latest"},
        "chat",
        {**tokens(7, 40), **SOUND},
        price(7, 40, VOXTRAL) + 3 / 60 * 0.004,
        ("What is said?", "You said: What is said?"),
    ),
    Logged(
        "chat refused",
        {"operation": "chat", "model": "mistral-no-such-model", "status_code": 400, "outcome": "upstream_error"},
        "chat",
        says=("Hello, Mistral!", None),
    ),
    Logged(
        "embeddings",
        {"operation": "embeddings", "model": "mistral-embed", "prompt_tokens": 6},
        "embedding",
        cost=6 * 0.1 / 1e6,
        says=("two", '"dimensions":1024'),
    ),
    Logged("moderation", {"operation": "moderation"}, "guardrail", {}, 0.0, ("violence", "violence_and_threats")),
    Logged("chat_moderation", {"operation": "chat_moderation"}, "guardrail", {}, 0.0, ("tea", "violence_and_threats")),
    Logged("classification", {"operation": "classification"}, "guardrail", {}, "missing", ("two", "label")),
    Logged("chat_classification", {"operation": "chat_classification"}, "guardrail", {}, "missing", ("Hello", "label")),
    Logged("ocr", {"operation": "ocr", "cost": 0.008}, "task", {"pages": 2}, 2 * 4 / 1000, ("a.pdf", "# Page 1")),
    Logged("ocr annotated", {"operation": "ocr", "cost": 0.005}, "task", {"pages": 1}, 5 / 1000, ("a.pdf", "# Page 1")),
    Logged(
        "transcription",
        {"operation": "transcription", "stream": False},
        "transcription",
        SOUND,
        TRANSCRIPTION_COST,
        HEARD,
    ),
    Logged(
        "transcription streamed",
        {"operation": "transcription", "stream": True},
        "transcription",
        LONG_SOUND,
        10 * TRANSCRIPTION_COST,
        HEARD,
    ),
    Logged("speech", {"operation": "speech", "stream": False}, "speech", {"characters": 12}, SPEECH_COST, SPOKEN),
    Logged(
        "speech streamed", {"operation": "speech", "stream": True}, "speech", {"characters": 12}, SPEECH_COST, SPOKEN
    ),
    Logged(
        "realtime",
        {"operation": "realtime", "model": "voxtral-mini-transcribe-realtime-2602", "status_code": 101},
        "transcription",
        {"input_audio_seconds": 2.0},
        2 / 60 * 0.006,
        ("[48000 bytes]", "The crane rolls"),
    ),
    Logged(
        "realtime speech",
        {"operation": "realtime", "model": "voxtral-mini-tts-latest", "status_code": 101},
        "speech",
        {"characters": 12},
        SPEECH_COST,
        SPOKEN,
        (Client.MISTRAL_3,),
    ),
    Logged(
        "files with the results of a batch",  # half the price
        {"operation": "files", "path": "/content$", "model": "mistral-small-latest"},
        "other",
        tokens(7, 5),
        price(7, 5, SMALL) / 2,
        (None, '"results":1'),
    ),
    kept("batches", "/v1/chat/completions", "QUEUED", "batch", method="POST", path="/jobs$"),
    kept("files uploaded", "stored.mp3", '"filename":"stored.mp3"', method="POST", path="/files$"),
    kept("files signed", None, "https://files.example.com/", path="/url$"),
    kept("voices", "Conductor", "Conductor", method="POST"),
    kept("agents", "yardmaster", "yardmaster", method="POST", path="/agents$"),
    kept("libraries", "timetables", "timetables", method="POST", path="/libraries$"),
    kept("libraries document", "a.txt", '"library_id"', method="POST", path="/documents$"),
    kept("libraries signed", None, "https://files.example.com/", path="/signed-url$"),
    kept("fine_tuning", "training_steps", "QUEUED", method="POST", path="/jobs$")._replace(clients=OLD),
    kept("models", None, "mistral-small-latest", path="/models$"),
    kept("model", None, "mistral-small-latest", path="/mistral-small-latest$"),
)
DEFECTS: dict[tuple[Client, str], str] = {}


def rows_for(client: Client) -> list[Logged]:
    """Return the rows of what a client can do."""
    cannot = {case.partition("_")[0] for known, case in LACKS if known is client and case in ("speech", "voices")}
    return [
        row for row in LOGGED if (not row.clients or client in row.clients) and row.where["operation"] not in cannot
    ]
