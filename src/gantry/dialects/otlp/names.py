"""What span attributes are called, in each family of names that libraries write: the newest name first.

OpenTelemetry's GenAI conventions (`gen_ai.*`, as they are and as they were), OpenInference (`llm.*`, `input.value`, …),
OpenLLMetry (`traceloop.*`, `llm.*`), and Respan's own, which also come as `keywordsai.*`.

Law: a name stands here or its attribute is metadata. The first name that has a value of its kind wins.
"""

from collections.abc import Mapping
from typing import Final

OLD_PREFIX, PREFIX = "keywordsai.", "respan."
ASSOCIATED: Final = "traceloop.association.properties."

# Texts of a posted log, by its field.
TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "response_id": ("gen_ai.response.id", "llm.response.id"),
    "customer_identifier": (
        "respan.customer_params.customer_identifier",
        "respan.customer.identifier",
        "user.id",
        "enduser.id",
        ASSOCIATED + "customer_identifier",
        ASSOCIATED + "user_id",
    ),
    "customer_email": ("respan.customer_params.email", "respan.customer.email"),
    "customer_name": ("respan.customer_params.name", "respan.customer.name"),
    "thread_identifier": (
        "respan.threads.thread_identifier",
        "respan.thread.id",
        "gen_ai.conversation.id",
        ASSOCIATED + "thread_identifier",
        ASSOCIATED + "thread_id",
        ASSOCIATED + "chat_id",
    ),
    "session_identifier": ("respan.sessions.session_identifier", "session.id", ASSOCIATED + "session_id"),
    "trace_group_identifier": ("respan.trace.trace_group_identifier", "respan.trace_group.id"),
    "custom_identifier": ("respan.span_params.custom_identifier",),
    "evaluation_identifier": ("respan.evaluation_params.evaluation_identifier",),
    "span_workflow_name": ("traceloop.workflow.name", "gen_ai.workflow.name"),
    "span_path": ("traceloop.entity.path",),
    "prompt_name": ("gen_ai.prompt.name", "traceloop.prompt.key"),
    "prompt_id": ("llm.prompt_template.id",),
}
# Counts of a posted log.
COUNTS: Final[Mapping[str, tuple[str, ...]]] = {"max_tokens": ("gen_ai.request.max_tokens", "llm.request.max_tokens")}
# Numbers of a posted log that need not be whole.
NUMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "temperature": ("gen_ai.request.temperature", "llm.temperature"),
    "top_p": ("gen_ai.request.top_p", "llm.top_p"),
    "frequency_penalty": ("gen_ai.request.frequency_penalty", "llm.frequency_penalty"),
    "presence_penalty": ("gen_ai.request.presence_penalty", "llm.presence_penalty"),
    "time_to_first_token": ("gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token"),
}
FLAGS: Final[Mapping[str, tuple[str, ...]]] = {
    "stream": ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"),
}
# JSON, as it is or in a text.
DOCUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "tools": ("gen_ai.tool.definitions",),
    "span_tools": ("respan.span.tools",),
    "tool_calls": ("respan.span.tool_calls",),
    "span_handoffs": ("respan.span.handoffs",),
    "prompt": ("respan.prompt",),
}

MODEL: Final = (
    "gen_ai.response.model",
    "gen_ai.request.model",
    "llm.model_name",
    "embedding.model_name",
    "reranker.model_name",
    "llm.request.model",
)
PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
# Ours, for those whom the conventions call otherwise.
PROVIDERS: Final[Mapping[str, str]] = {
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "x_ai": "xai",
    "aws.bedrock": "bedrock",
    "aws_bedrock": "bedrock",
    "aws": "bedrock",
    "azure.ai.openai": "azure_openai",
    "az.ai.openai": "azure_openai",
    "azure": "azure_openai",
    "gcp.gemini": "google_gemini_ai",
    "gcp.gen_ai": "google_gemini_ai",
    "gemini": "google_gemini_ai",
    "google": "google_gemini_ai",
    "google_generativeai": "google_gemini_ai",
    "gcp.vertex_ai": "google_vertex_ai",
    "vertex_ai": "google_vertex_ai",
    "vertexai": "google_vertex_ai",
    "together_ai": "togetherai",
    "together": "togetherai",
    "moonshot_ai": "moonshot",
}
PROVIDERS_AS_OURS: Final = frozenset(
    """
    openai anthropic mistral cohere groq deepseek perplexity xai bedrock openrouter ollama togetherai fireworks
    """.split()
)

# What a call used: for spans of calls to a model alone.
USAGE: Final[Mapping[str, tuple[str, ...]]] = {
    "prompt_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
    ),
    "completion_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
    ),
    "total_tokens": ("gen_ai.usage.total_tokens", "llm.token_count.total", "llm.usage.total_tokens"),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.output_tokens.reasoning",
        "gen_ai.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "llm.usage.reasoning_tokens",
    ),
    "prompt_cache_hit_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.input_tokens.cached",
        "llm.token_count.prompt_details.cache_read",
        "llm.usage.cache_read_input_tokens",
    ),
    "prompt_cache_creation_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
        "llm.usage.cache_creation_input_tokens",
    ),
}
COST: Final = ("gen_ai.usage.cost", "llm.cost.total")
GATEWAY_LOG: Final = ("respan.gateway.log_id", "gantry.log_id")  # the call went through us, and has its own log

LOG_TYPE: Final = ("respan.entity.log_type",)
# Which log type a value of an attribute means; the attributes that tell it best stand first.
LOG_TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "traceloop.span.kind": {name: name for name in ("workflow", "task", "agent", "tool")},
    "openinference.span.kind": {
        "llm": "chat",
        "chain": "task",
        "tool": "tool",
        "agent": "agent",
        "retriever": "task",
        "embedding": "embedding",
        "reranker": "reranker",
        "guardrail": "guardrail",
        "evaluator": "score",
        "prompt": "task",
    },
    "gen_ai.operation.name": {
        "chat": "chat",
        "generate_content": "chat",
        "text_completion": "completion",
        "embeddings": "embedding",
        "retrieval": "task",
        "execute_tool": "tool",
        "invoke_agent": "agent",
        "create_agent": "agent",
        "invoke_workflow": "workflow",
    },
    "llm.request.type": {
        "chat": "chat",
        "completion": "completion",
        "embedding": "embedding",
        "rerank": "reranker",
    },
}
# Those of calls to a model. What others use is the sum over such calls, and is not counted again.
MODEL_CALLS: Final = frozenset(
    "text chat completion response embedding transcription speech generation reranker".split()
)
PLAIN: Final = "span"  # a span that says nothing of models

INPUT: Final = ("gen_ai.tool.call.arguments", "traceloop.entity.input", "input.value")
OUTPUT: Final = ("gen_ai.tool.call.result", "traceloop.entity.output", "output.value")
STATUS_CODE: Final = ("http.response.status_code", "http.status_code")

# What was said, or may hold it: never among metadata, which policies keep longer than content.
CONTENT_PREFIXES: Final = (
    "gen_ai.prompt",
    "gen_ai.completion",
    "gen_ai.input.",
    "gen_ai.output.",
    "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.tool.definitions",
    "gen_ai.retrieval.",
    "input.",
    "output.",
    "llm.input_messages",
    "llm.output_messages",
    "llm.prompts",
    "llm.choices",
    "llm.prompt_template",
    "llm.tools",
    "llm.function_call",
    "llm.request.functions",
    "llm.invocation_parameters",
    "traceloop.entity.input",
    "traceloop.entity.output",
    "traceloop.prompt",
    "retrieval.documents",
    "reranker.query",
    "reranker.input_documents",
    "reranker.output_documents",
    "embedding.embeddings",
    "embedding.text",
    "tool.parameters",
    "tool_call.function.arguments",
    "exception.",
    "db.query.text",
    "db.statement",
)
# Whose last part is one of these is a credential, or may be: not kept anywhere.
CREDENTIALS: Final = frozenset(
    """
    authorization proxy-authorization api-key x-api-key x-goog-api-key apikey cookie set-cookie password secret
    """.split()
)
HEADERS: Final = "llm.headers"
# URLs, kept without their query, which may carry keys.
ADDRESSES: Final = frozenset("url.full http.url http.target url.query".split())
