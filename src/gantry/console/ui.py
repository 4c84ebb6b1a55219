"""The web console's files, under `/ui`: what `ui/` was built into.

Law: no request goes anywhere but here, and no script runs but ours. The one page (`index.html`, for every address,
which it reads itself) names a nonce that is drawn anew for each answer, and the policy allows styles by it; everything
else is a file whose name has its content's digest, and is kept by browsers for a year. Files are compressed once, when
they are first asked for by the one name that each has: strangers' other ways of writing it would fill the memory.
"""

import gzip
import mimetypes
import secrets
from functools import cache
from pathlib import Path
from typing import Final

import brotli
from fastapi import Request, Response
from msgspec import Struct

from gantry.console.access import PUBLIC, guarded_router
from gantry.core.errors import NotFound

STATIC: Final = Path(__file__).parent / "static"
_NOT_BUILT: Final = (
    "This copy of Gantry was made without its web console. Run `scripts/ui` in the repository, or install the wheel. "
    "The command line and the API do all that the console does."
)
_NONCE: Final = b"__NONCE__"
_YEAR: Final = "public, max-age=31536000, immutable"
_LEAST_COMPRESSED: Final = 1024
_PLAIN: Final = frozenset((".png", ".woff2"))  # compressed already
_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

router = guarded_router("web console")


class StaticFile(Struct, frozen=True):
    """A file as it may be sent; the coded ones are None where it is too small to gain by it."""

    media: str
    plain: bytes
    gzipped: bytes | None
    brotlied: bytes | None


@router.get("/ui", dependencies=[PUBLIC], include_in_schema=False)
@router.get("/ui/{page:path}", dependencies=[PUBLIC], include_in_schema=False)
async def show_ui(request: Request, page: str = "") -> Response:
    """Answer with a file of the build, or with the one page for every other address."""
    path = STATIC / page
    if page and path.suffix and page != "index.html":
        return _answer_file(request, page)
    return _answer_page()


def content_policy(nonce: str) -> str:
    """Return the content security policy of a page whose own styles name this nonce."""
    rules = (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'self' 'nonce-{nonce}'",
        "img-src 'self' data: blob:",  # what a conversation shows, and never a host that it names
        "media-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return "; ".join(rules)


def _answer_page() -> Response:
    nonce = secrets.token_urlsafe(16)
    headers = {**_HEADERS, "content-security-policy": content_policy(nonce), "cache-control": "no-store"}
    page = _read("index.html").plain.replace(_NONCE, nonce.encode())
    return Response(page, media_type="text/html; charset=utf-8", headers=headers)


def _answer_file(request: Request, name: str) -> Response:
    file = _read(name)
    headers = {**_HEADERS, "vary": "accept-encoding"}
    headers["cache-control"] = _YEAR if name.startswith("assets/") else "no-cache"
    accepted = request.headers.get("accept-encoding", "")
    if file.brotlied is not None and "br" in accepted:
        return Response(file.brotlied, media_type=file.media, headers={**headers, "content-encoding": "br"})
    if file.gzipped is not None and "gzip" in accepted:
        return Response(file.gzipped, media_type=file.media, headers={**headers, "content-encoding": "gzip"})
    return Response(file.plain, media_type=file.media, headers=headers)


@cache
def _names(folder: Path) -> frozenset[str]:
    return frozenset(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@cache
def _read(name: str) -> StaticFile:
    """Return a file of the build. Raises NotFound."""
    names = _names(STATIC)
    if name not in names:
        raise NotFound("There is no such file." if "index.html" in names else _NOT_BUILT)
    path = STATIC / name
    plain = path.read_bytes()
    media = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if len(plain) < _LEAST_COMPRESSED or path.suffix in _PLAIN:
        return StaticFile(media, plain, None, None)
    return StaticFile(media, plain, gzip.compress(plain, 6), brotli.compress(plain, quality=6))
