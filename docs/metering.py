"""`docs/metering.md`: of each unit, in whose words it is read where. A test holds every row to what the readers do."""

from collections.abc import Mapping
from typing import Final

from gantry.core.usage import UNITS
from gantry.core.vocabulary import Dialect
from gantry.dialects.usage_paths import GEMINI, SHARED, Paths

# Families whose readers keep the shape of the wire: the same rows for them.
ANTHROPIC: Final[Paths] = {
    "input_tokens": ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
    "cached_input_tokens": ("cache_read_input_tokens",),
    "cache_write_tokens": ("cache_creation_input_tokens",),
    "cache_write_1h_tokens": ("cache_creation.ephemeral_1h_input_tokens",),
    "output_tokens": ("output_tokens",),
    "reasoning_tokens": ("output_tokens_details.thinking_tokens",),
    "web_searches": ("server_tool_use.web_search_requests",),
}
BEDROCK: Final[Paths] = {
    "input_tokens": ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
    "cached_input_tokens": ("cacheReadInputTokens",),
    "cache_write_tokens": ("cacheWriteInputTokens",),
    "cache_write_1h_tokens": ("cacheDetails.1h",),
    "output_tokens": ("outputTokens",),
    "total_tokens": ("totalTokens",),
}
COHERE: Final[Paths] = {
    "input_tokens": ("billed_units.input_tokens", "tokens.input_tokens"),
    "output_tokens": ("billed_units.output_tokens", "tokens.output_tokens"),
    "cached_input_tokens": ("cached_tokens",),
    "reasoning_tokens": ("tokens.reasoning_tokens",),
}
FAMILIES: Final[Mapping[str, tuple[Dialect, Paths]]] = {
    "Mistral, OpenAI, and who writes their words": (Dialect.OPENAI_CHAT, SHARED),
    "Anthropic": (Dialect.ANTHROPIC, ANTHROPIC),
    "Gemini": (Dialect.GEMINI, {unit: paths for unit, paths in GEMINI.items() if unit != "connector_tokens"}),
    "Bedrock": (Dialect.BEDROCK, BEDROCK),
    "Cohere": (Dialect.COHERE, COHERE),
}
SUMS: Final = ("Anthropic", "Bedrock")  # whose input is the sum of its row
SEARCHES: Final = (
    "Responses: `tool_usage.web_search.num_requests`, or else the `web_search_call` items whose action is a search. "
    "Gemini: the different queries of `webSearchQueries` in the sources"
)
MEANINGS: Final[Mapping[str, str]] = {
    "input_tokens": "all of the prompt, with what was cached of it",
    "cached_input_tokens": "of the input, read from the provider's cache",
    "cache_write_tokens": "of the input, written to it",
    "output_tokens": "all of the answer, with what was thought",
    "reasoning_tokens": "of the output",
    "total_tokens": "as the provider says it",
    "input_audio_seconds": "sound that is billed by the second; its tokens are not counted then",
    "characters": "that were spoken: counted in the request",
    "pages": "that were read",
    "annotated_pages": "of the pages, where the request asked for annotations",
    "connector_tokens": "what Mistral's own tools read",
    "connector_calls": "of Mistral's own tools; their price is not known, so the cost is not",
    "input_image_tokens": "of the input; pages of a document are pictures, too",
    "output_image_tokens": "of the output",
    "images": "that were made: counted in the answer",
    "searches": "rankings of up to 100 documents",
    "cache_write_1h_tokens": "of what was written to the cache, what is kept for an hour",
    "input_audio_tokens": "of the input",
    "output_audio_tokens": "of the output",
    "web_searches": "by a tool of the provider's",
    "billed_tool_calls": "of its other tools that are billed by the call: searches of files",
    "cached_audio_tokens": "of the cached input",
    "input_video_tokens": "of the input",
}


def metering_page(notice: str) -> str:
    units = "\n".join(f"| `{unit}` | {MEANINGS[unit]} |" for unit in UNITS)
    return f"""{notice}# Metering

What a call used is kept unit by unit, in the words of one table for all providers, and beside it the usage as the
provider wrote it (`usage_raw`). The cost follows from the units ([prices](prices.md)).

## Units
| unit | what it is |
|---|---|
{units}

A part is counted in its whole, too: `cached_input_tokens` in `input_tokens`. What nobody reported is null, not 0.

## Where they are read
Of several members that are there the first counts. `*` is the sum over all members, and a modality such as `AUDIO`
is an item of a list.

{_families()}
Gemini's input is with `toolUsePromptTokenCount`, its output with `thoughtsTokenCount`.

## What no usage tells
| unit | where it is counted |
|---|---|
| `web_searches` | {SEARCHES} |
| `billed_tool_calls` | Responses: the `file_search_call` items |
| `images` | the images of the answer |
| `characters`, `annotated_pages` | the request |

These are counted where the answer is kept long enough to be read; of one larger than `max_capture_bytes` only its
usage is.

## Which report counts
Usage is taken from whatever event carries it, and a later report replaces an earlier one: OpenAI's and Mistral's
come once, at the end, perhaps beside a last piece of text; Gemini's are each of all so far; Anthropic's replace what
they name, so what `message_delta` says of the whole answer counts, with what the provider's tools read meanwhile. A
compaction that Anthropic tells among its `iterations` is added, because it is billed beside the rest. A stream and
the same answer at once come to the same usage.

A stream that ends before its usage came, or a provider that reports none, is estimated from the text
(`usage_estimated`).

## What cannot be
A count below 0, above 10¹⁵, or larger than the whole it is part of is clamped to what can be, and the log says so in
its `warnings`; so does one that is no number (a boolean, a word, half a token), which is left out. A whole float and
digits in a string are counts.

## The terms of a price
`service_tier` is read where the answer or its usage names it, as it was billed and not as it was asked for. So are
Anthropic's `speed`, where it is `fast`, Anthropic's tier `batch`, and Perplexity's `search_context_size`.

Where a usage tells a cost of its own (OpenRouter and Perplexity `cost`, xAI `cost_in_usd_ticks`) it is compared with
ours: a difference of more than a hundredth is a warning on the log. Ours is what is billed.
"""


def _families() -> str:
    return "".join(_family_section(name, paths) for name, (_, paths) in FAMILIES.items())


def _family_section(name: str, paths: Paths) -> str:
    rows = "\n".join(
        f"| `{unit}` | {_told(paths[unit], joined=' + ' if name in SUMS and unit == 'input_tokens' else ', ')} |"
        for unit in UNITS
        if unit in paths
    )
    return f"### {name}\n| unit | member of the usage |\n|---|---|\n{rows}\n\n"


def _told(paths: tuple[str, ...], joined: str) -> str:
    return joined.join(f"`{path}`" for path in paths)
