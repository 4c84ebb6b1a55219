"""The sources that can be imported from, by name."""

from collections.abc import Mapping
from typing import Final

from gantry.imports import litellm_fields, litellm_keys, openrouter, portkey
from gantry.imports.finding import Table
from gantry.imports.helicone_logs import HELICONE
from gantry.imports.langfuse_logs import LANGFUSE
from gantry.imports.litellm_logs import LITELLM
from gantry.imports.log_source import LogSource
from gantry.imports.respan_logs import RESPAN

LOG_SOURCES: Final[Mapping[str, LogSource]] = {one.name: one for one in (RESPAN, HELICONE, LANGFUSE, LITELLM)}

# What the documentation lists, and tests look through: each table by what it is of.
TABLES: Final[Mapping[str, Table]] = {
    "LiteLLM's config.yaml": litellm_fields.CONFIG,
    "LiteLLM's virtual keys": litellm_keys.KEYS,
    "Portkey's configs": {name: field for name, field in portkey.CONFIG.items() if not name.startswith("targets[]")},
    "OpenRouter's routing": {name: field for name, field in openrouter.CONFIG.items() if not name.startswith("[]")},
    **{
        f"{source.title}'s logs": {name: column.field for name, column in source.columns.items()}
        for source in LOG_SOURCES.values()
    },
}
