"""The closed schemas of what Mistral keeps, hears and reads: agents, conversations, batches, voices, documents."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from gantry.simulator.mistral.requests import (
    AnyTool,
    AtLeastOne,
    Closed,
    Count,
    Penalty,
    Prediction,
    Probability,
    ResponseFormat,
    Temperature,
)

Endpoint = Literal[
    "/v1/chat/completions",
    "/v1/fim/completions",
    "/v1/embeddings",
    "/v1/moderations",
    "/v1/chat/moderations",
    "/v1/ocr",
    "/v1/classifications",
    "/v1/chat/classifications",
    "/v1/conversations",
    "/v1/audio/transcriptions",
]
Format = Literal["pcm", "wav", "mp3", "flac", "opus"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class CompletionArgs(Closed, frozen=True):
    """How an agent or a conversation completes."""

    stop: str | list[str] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    max_tokens: Count | None = None
    random_seed: Count | None = None
    prediction: Prediction | None = None
    response_format: ResponseFormat | None = None
    tool_choice: Literal["auto", "none", "any", "required"] | None = None
    reasoning_effort: Effort | None = None


class AgentChanges(Closed, frozen=True, kw_only=True):
    model: str | None = None
    name: str | None = None
    description: str | None = None
    instructions: str | None = None
    tools: list[AnyTool] | None = None
    completion_args: CompletionArgs | None = None
    guardrails: list[dict[str, Any]] | None = None
    handoffs: list[str] | None = None
    metadata: dict[str, Any] | None = None
    deployment_chat: bool | None = None
    version_message: str | None = None


class AgentFields(AgentChanges, frozen=True, kw_only=True):
    model: str
    name: str


class Append(Closed, frozen=True, kw_only=True):
    """More of a conversation. It takes no tools: those belong to its start."""

    inputs: str | list[dict[str, Any]] = ""
    stream: bool = False
    store: bool | None = True
    handoff_execution: Literal["client", "server"] | None = "server"
    completion_args: CompletionArgs | None = None
    tool_confirmations: list[dict[str, Any]] | None = None


class Restart(Append, frozen=True, kw_only=True):
    from_entry_id: str
    guardrails: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] | None = None
    agent_version: int | str | None = None


class Start(Append, frozen=True, kw_only=True):
    inputs: str | list[dict[str, Any]]
    model: str | None = None
    agent_id: str | None = None
    agent_version: int | str | None = None
    instructions: str | None = None
    tools: list[AnyTool] | None = None
    guardrails: list[dict[str, Any]] | None = None
    name: str | None = None
    description: str | None = None
    metadata: dict[str, Any] | None = None


class BatchLine(Closed, frozen=True):
    body: dict[str, Any]
    custom_id: str | None = None


class BatchFields(Closed, frozen=True, kw_only=True):
    endpoint: Endpoint
    input_files: list[str] | None = None
    requests: Annotated[list[BatchLine], Meta(max_length=10_000)] | None = None
    model: str | None = None
    agent_id: str | None = None
    metadata: dict[str, str] | None = None
    timeout_hours: AtLeastOne = 24


class SpeechRequest(Closed, frozen=True, kw_only=True):
    input: Annotated[str, Meta(min_length=1)]
    model: str | None = None
    metadata: dict[str, Any] | None = None
    stream: bool = False
    prompt_cache_key: str | None = None
    voice_id: str | None = None
    ref_audio: str | None = None
    expressiveness: Annotated[float, Meta(ge=1)] | None = None
    phoneme_hints: dict[str, list[str]] | None = None
    conversation_history: list[dict[str, Any]] | None = None
    response_format: Format = "mp3"


class VoiceChanges(Closed, frozen=True, kw_only=True):
    name: str | None = None
    languages: list[str] | None = None
    gender: Literal["female", "male", "neutral"] | None = None
    age: Count | None = None
    tags: list[str] | None = None
    description: str | None = None
    retention_notice: Count | None = None


class VoiceFields(VoiceChanges, frozen=True, kw_only=True):
    name: str
    slug: str | None = None
    color: str | None = None
    sample_audio: str | None = None
    sample_filename: str | None = None


class LibraryChanges(Closed, frozen=True, kw_only=True):
    name: str | None = None
    description: str | None = None


class LibraryFields(LibraryChanges, frozen=True, kw_only=True):
    name: str
    chunk_size: AtLeastOne | None = None
    owner_type: Literal["User", "Workspace"] | None = None


class DocumentChanges(Closed, frozen=True, kw_only=True):
    name: str | None = None
    attributes: dict[str, Any] | None = None
    expires_at: str | None = None


class ShareFields(Closed, frozen=True, kw_only=True):
    share_with_uuid: str
    share_with_type: Literal["User", "Workspace", "Org"]
    level: Literal["Viewer", "Editor"] = "Viewer"
    org_id: str | None = None


class TrainingFile(Closed, frozen=True):
    file_id: str
    weight: float = 1.0


class TuningFields(Closed, frozen=True, kw_only=True):
    model: str
    hyperparameters: dict[str, Any]
    training_files: list[TrainingFile] | None = None
    validation_files: list[str] | None = None
    suffix: Annotated[str, Meta(max_length=18)] | None = None
    integrations: list[dict[str, Any]] | None = None
    auto_start: bool | None = None
    invalid_sample_skip_percentage: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    job_type: Literal["completion", "classifier"] | None = None
    repositories: list[dict[str, Any]] | None = None
    classifier_targets: list[dict[str, Any]] | None = None


class RegistryChanges(Closed, frozen=True, kw_only=True, rename="camel"):
    """Changes to a prompt or a skill."""

    title: str | None = None
    description: str | None = None
    sharing_scope: str | None = None
    workspace_relation: str | None = None


class RegistryVersion(Closed, frozen=True, kw_only=True):
    definition: dict[str, Any]
    notes: str | None = None
    aliases: list[str] | None = None


class RegistryFields(RegistryVersion, frozen=True, kw_only=True, rename="camel"):
    name: str
    title: str | None = None
    description: str | None = None
    sharing_scope: str | None = None
    workspace_relation: str | None = None


class RegistryNotes(Closed, frozen=True, kw_only=True):
    notes: str | None = None
    aliases: Any = None
