"""The snippets of docs/, as they stand there, with the address and the key that they would have here."""

import re

from tests.sdk.crossroads import Crossroads
from tests.sdk.environments import ROOT

ADDRESS = "http://127.0.0.1:8790"
KEY = "YOUR_GANTRY_API_KEY"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets(page: str, language: str) -> list[str]:
    """Return the blocks of a page that are in this language."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [block for kind, block in _FENCE.findall(text) if kind == language]


def addressed(snippet: str, crossroads: Crossroads, key: str) -> str:
    return snippet.replace(ADDRESS, crossroads.url).replace(KEY, key)
