"""What the log says of OpenAI's clients at Mistral's models: Mistral's units and cost, and what was changed."""

from typing import Any

from tests.sdk.environments import Client
from tests.sdk.logs import Logged

AUDIO = {"input_audio_seconds": 3.0}
PATH = r"^/chat/completions$"
HEARD = ("a.mp3", "Simulated transcription of a.mp3")


def chat(name: str, cost: float, **where: Any) -> Logged:
    """Return a row for an answer to the usual question."""
    found = {"operation": "chat", "provider_id": "mistral", "tier": "adapt", "path": PATH, **where}
    return Logged(name, found, "chat", {}, cost)


LOGGED = (
    chat("chat", (7 * 0.15 + 40 * 0.6) / 1e6, stream=False, finish_reason="stop"),
    chat("chat streamed", (7 * 0.15 + 40 * 0.6) / 1e6, stream=True, finish_reason="stop"),
    chat("chat reasoning", (7 * 2 + 49 * 5) / 1e6, model="magistral-medium-latest", stream=True),
    chat("chat of a customer", (7 * 0.15 + 40 * 0.6) / 1e6, customer_identifier="yard-7", metadata={"train": "7"}),
    chat(
        "chat changed",
        (7 * 0.15 + 5 * 0.6) / 1e6,
        finish_reason="length",
        changes=[
            "logit_bias: dropped",
            "max_completion_tokens: renamed to max_tokens",
            "seed: renamed to random_seed",
            "temperature: clamped to 1.5",
            "user: dropped",
        ],
    ),
    Logged(
        "chat refused",
        {"operation": "chat", "outcome": "refused", "status_code": 400},
        "chat",
        says=("Hello, Mistral!", None),
    ),
    Logged(
        "embeddings",
        {"operation": "embeddings", "provider_id": "mistral", "tier": "adapt", "model": "mistral-embed"},
        "embedding",
        {"input_tokens": 6},
        6 * 0.1 / 1e6,
        ("two", '"dimensions":1024'),
    ),
    Logged(
        "transcription",
        {"operation": "transcription", "provider_id": "mistral", "tier": "adapt", "stream": False},
        "transcription",
        AUDIO,
        3 / 60 * 0.003,
        HEARD,
    ),
    Logged(
        "transcription streamed",
        {"operation": "transcription", "provider_id": "mistral", "tier": "adapt", "stream": True},
        "transcription",
        AUDIO,
        3 / 60 * 0.003,
        HEARD,
    ),
    Logged(
        "speech",
        {"operation": "speech", "provider_id": "mistral", "tier": "adapt"},
        "speech",
        {"characters": 12},
        12 * 16 / 1e6,
        ("Mind the gap", '"audio"'),
    ),
    Logged("models", {"operation": "models"}, "other", says=(None, "mistral-small-latest")),
)
DEFECTS: dict[tuple[Client, str], str] = {}


def rows_for(client: Client) -> list[Logged]:
    return list(LOGGED)
