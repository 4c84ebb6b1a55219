"""Media as Gemini names it: bytes in the part (`inlineData`), or a URI (`fileData`).

Law: a URI that anybody can fetch is a URL; one of Google's own storage (`gs://`, the Files API) is a file of the
account, and means nothing to another provider.
Public URLs of other callers are sent as `fileData`: Vertex AI and the Gemini API fetch them, and a model that does not
(those before 2.5) says so itself, which helps the caller more than our refusing what works on the others. Both want
the media type; where the caller gave none it is told from the URL, or taken for the usual one of its kind, and named.
"""

from typing import Any, Final

from gantry.core.chat import Media, MediaKind
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.changes import Change, defaulted, dropped
from gantry.dialects.data_urls import kind_of_mime, mime_of_name, split_data_url
from gantry.dialects.gemini.spelling import read_fields, standard_base64
from gantry.dialects.members import Members, read_text

_OWN_FILES: Final = "https://generativelanguage.googleapis.com/"
_VIDEO_SITES: Final = ("https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/")
_USUAL_MIMES: Final = {
    MediaKind.IMAGE: "image/jpeg",
    MediaKind.AUDIO: "audio/mpeg",
    MediaKind.VIDEO: "video/mp4",
    MediaKind.DOCUMENT: "application/pdf",
}
_DETAILS: Final = {
    "MEDIA_RESOLUTION_LOW": "low",
    "MEDIA_RESOLUTION_MEDIUM": "auto",
    "MEDIA_RESOLUTION_HIGH": "high",
    "MEDIA_RESOLUTION_ULTRA_HIGH": "original",
}
_LEVELS: Final = {detail: level for level, detail in _DETAILS.items()}


def media_of_blob(mime: str | None, data: str, name: str | None = None, detail: str | None = None) -> Media:
    return Media(kind_of_mime(mime), mime=mime, data=standard_base64(data), name=name, detail=detail)


def media_of_uri(uri: str, mime: str | None, name: str | None = None, detail: str | None = None) -> Media:
    known = mime or mime_of_name(uri)
    kind = MediaKind.VIDEO if known is None and uri.startswith(_VIDEO_SITES) else kind_of_mime(known)
    if uri.startswith(("http://", "https://")) and not uri.startswith(_OWN_FILES):
        return Media(kind, mime=mime, url=uri, name=name, detail=detail)
    return Media(kind, mime=mime, file_id=uri, name=name, detail=detail)


def read_media(part: Members, path: str) -> Media:
    """Return the media of a part that has `inlineData` or `fileData`. Raises InvalidRequest."""
    detail = _read_detail(part, path)
    kind = "inlineData" if "inlineData" in part else "fileData"
    where = f"{path}.{kind}"
    fields = read_fields(part[kind], where)
    mime = read_text(fields["mimeType"], f"{where}.mimeType") if "mimeType" in fields else None
    name = read_text(fields["displayName"], f"{where}.displayName") if "displayName" in fields else None
    if kind == "inlineData":
        return media_of_blob(mime, read_text(fields.get("data"), f"{where}.data"), name, detail)
    return media_of_uri(read_text(fields.get("fileUri"), f"{where}.fileUri"), mime, name, detail)


def _read_detail(part: Members, path: str) -> str | None:
    if "mediaResolution" not in part:
        return None
    where = f"{path}.mediaResolution"
    level = read_fields(part["mediaResolution"], where).get("level")
    return None if level is None else _DETAILS.get(read_text(level, f"{where}.level"))


def media_part(media: Media, speaker: Dialect, path: str, changes: list[Change]) -> dict[str, Any]:
    """Return the part of a request that holds media. Raises InvalidRequest for a file of another provider's account."""
    part = {**_place(media, speaker, path, changes)}
    if media.detail is not None:
        if speaker is Dialect.GEMINI:
            part["mediaResolution"] = {"level": _LEVELS[media.detail]}
        elif media.detail != "auto":
            changes.append(dropped(f"{path}.detail", "the resolution is the model's own"))
    return part


def _place(media: Media, speaker: Dialect, path: str, changes: list[Change]) -> dict[str, Any]:
    mime = media.mime
    split = None if media.url is None else split_data_url(media.url)
    data = media.data
    if split is not None:
        mime, data = mime or split[0], split[1]
    if mime is None and speaker is not Dialect.GEMINI:
        mime = mime_of_name(media.url) or mime_of_name(media.name)
        if mime is None:
            mime = _USUAL_MIMES[media.kind]
            changes.append(defaulted(f"{path} media type", f"to {mime}"))
    named = {} if media.name is None or speaker is not Dialect.GEMINI else {"displayName": media.name}
    typed = {} if mime is None else {"mimeType": mime}
    if data is not None:
        return {"inlineData": {**typed, "data": data, **named}}
    if media.url is not None:
        return {"fileData": {**typed, "fileUri": media.url, **named}}
    if media.file_id is not None and speaker is Dialect.GEMINI:
        return {"fileData": {**typed, "fileUri": media.file_id, **named}}
    raise InvalidRequest(
        f"`{path}` names a file of another provider's account, which Gemini cannot read. "
        "Send the content itself, or a URL that anybody can fetch.",
        param=path,
    )


def answered_media(media: Media) -> dict[str, Any] | None:
    """Return the part of an answer that holds media; None for a file that only its provider can read."""
    typed = {} if media.mime is None else {"mimeType": media.mime}
    if media.data is not None:
        return {"inlineData": {**typed, "data": media.data}}
    uri = media.url or media.file_id
    return None if uri is None else {"fileData": {**typed, "fileUri": uri}}
