"""Which release of Respan's generated client asks: it names itself, and what it takes has changed.

Releases before 0.1.32 take a bare list where newer ones take a page, or rows with their sum. Whoever does not say which
it is gets what the newest takes.
"""

import re
from typing import Final

from fastapi import Request

_NAME: Final = "respan-api"
_PAGES_SINCE: Final = (0, 1, 32)
_RELEASE: Final = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})\Z", re.ASCII)


def takes_bare_lists(request: Request) -> bool:
    """Say whether a request comes from a release that takes bare lists, and asks for no page."""
    release = _RELEASE.match(request.headers.get("x-fern-sdk-version", ""))
    if release is None or request.headers.get("x-fern-sdk-name") != _NAME:
        return False
    return tuple(map(int, release.groups())) < _PAGES_SINCE and not {"page", "page_size"} & request.query_params.keys()
