"""Paths in one spelling: with `/api` in front, and neither doubled nor trailing slashes. Nothing is redirected.

The two styles that clients use, `/api/request-logs/list/` and `/request-logs/list`, are one route.
"""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

_WITHOUT_PREFIX: Final = ("/api", "/ui")


class CanonicalPaths:
    """ASGI middleware that rewrites `scope["path"]`, on which routing and access go."""

    def __init__(self, app: ASGIApp) -> None:
        self._app: Final = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": canonical_path(scope["path"])}
        await self._app(scope, receive, send)


def canonical_path(path: str) -> str:
    segments = [segment for segment in path.split("/") if segment]
    plain = "/" + "/".join(segments)
    if any(plain == prefix or plain.startswith(prefix + "/") for prefix in _WITHOUT_PREFIX):
        return plain
    return "/api" + plain.rstrip("/")
