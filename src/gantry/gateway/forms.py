"""A form on its way to a provider: held until its model is known, then edited as it passes.

Law: a file flows through in bounded memory once the fields before it say where to; a form whose model comes behind its
file is held, within the bound of any body. Fields of ours never reach a provider: every field is whole and judged
before a byte of it goes on. One that comes behind a file under way is too late to act on, and refuses the call: to
ignore a credential is to charge somebody else. What two readers could take differently is refused as well.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect, Operation, Tier
from gantry.dialects.adapt import FormAdaptation, adapt_form
from gantry.dialects.changes import Change, refuse_drops
from gantry.gateway.bracketed import root_of, unflatten
from gantry.gateway.params import FORM_FIELDS
from gantry.routing.plan import Route
from gantry.wire.form import FieldEdits, Fields, FormEditor, FormPeek
from gantry.wire.multipart import MULTIPART, URLENCODED, form_editor

_MEDIA_TYPES: Final = (MULTIPART, URLENCODED)
_MODEL: Final = "model"
_ROUTING: Final = FORM_FIELDS | {_MODEL, "file_id"}  # what is acted on before the form sets out


def is_form(content_type: str) -> bool:
    return content_type.lower().startswith(_MEDIA_TYPES)


class _Watch(FormPeek):
    """What a form says. `routed` is set when it sets out."""

    __slots__ = ("ended", "flattened", "routed")

    def __init__(self) -> None:
        super().__init__()
        self.ended = False
        self.routed = False
        self.flattened: list[tuple[str, bytes]] = []  # parts of fields that are ours

    def field(self, name: str, value: bytes) -> Fields | None:
        if name == _MODEL and name in self.values:
            raise InvalidRequest("The form has `model` more than once. Send it once.", param=name)
        if self.routed and root_of(name) in _ROUTING:
            raise InvalidRequest(f"The form's `{name}` comes too late, behind the file. Send it before.", param=name)
        if "[" in name and root_of(name) in FORM_FIELDS:
            self.flattened.append((name, value))
        return super().field(name, value)

    def file(self, name: str, filename: str) -> None:
        if root_of(name) in _ROUTING:
            raise InvalidRequest(f"The form's `{name}` is a file. Send it as a plain field.", param=name)
        super().file(name, filename)

    def end(self) -> Fields:
        self.ended = True
        return ()


class FormUpload:
    """One form. `feed` until it is `ready` or complete; `route`, and what it returns goes upstream; then `pass_on`."""

    __slots__ = (
        "_adaptation",
        "_content_type",
        "_editor",
        "_passed",
        "_reader",
        "_strict",
        "_watch",
        "complete",
        "edited",
    )

    def __init__(self, content_type: str) -> None:
        """Raises InvalidRequest when the content type names no boundary."""
        self._content_type = content_type
        self._watch = _Watch()
        self._reader: FormEditor = form_editor(content_type, self._watch)
        self._passed: list[bytes] = []  # by the reader, which changes nothing
        self._editor: FormEditor | FormAdaptation | None = None
        self._adaptation: FormAdaptation | None = None
        self._strict = False
        self.complete = False
        self.edited = False

    @property
    def ready(self) -> bool:
        """Whether enough is here to route by: the model and all fields before the file, and more is to come."""
        watch = self._watch
        return watch.saw_file and _MODEL in watch.values and _MODEL not in watch.after_file and not watch.ended

    @property
    def adaptation(self) -> FormAdaptation | None:
        return self._adaptation

    @property
    def changes(self) -> list[Change]:
        return self._adaptation.changes if self._adaptation is not None else []

    def feed(self, data: bytes) -> None:
        """Take bytes of a form that is not routed yet. Raises InvalidRequest."""
        self._passed.append(self._reader.feed(data))

    def close(self) -> None:
        """Say that the form came to its end before it was routed. Raises InvalidRequest."""
        self._passed.append(self._reader.close())
        self.complete = True

    def text(self, name: str) -> str | None:
        return self._watch.text(name)

    def flag(self, name: str) -> bool:
        return self._watch.values.get(name) in (b"true", b"True", b"1")

    def values(self) -> list[str]:
        """Return what the fields say, for whoever looks for something in them."""
        return [raw.decode("utf-8", "replace") for raw in self._watch.values.values()]

    def fields(self) -> Mapping[str, bytes]:
        """Return the fields that have come, each by its first value. Raises InvalidRequest."""
        watch = self._watch
        return {**unflatten(watch.flattened), **watch.values} if watch.flattened else watch.values

    def outline(self) -> bytes:
        """Return what the record keeps of a form: its fields as JSON, of files their names."""
        fields: dict[str, Any] = {
            name: raw.decode("utf-8", "replace")
            for name, raw in self._watch.values.items()
            if root_of(name) not in FORM_FIELDS
        }
        fields |= {name: {"name": filename} for name, filename in self._watch.files.items()}
        return msgspec.json.encode(fields)

    def route(self, operation: Operation, source: Dialect, route: Route, *, strict: bool) -> bytes:
        """Decide where it goes; return what of it can go upstream already. Raises InvalidRequest.

        `strict` refuses what would be dropped, now or later.
        """
        watch = self._watch
        watch.routed = True
        self._strict = strict
        replace: Mapping[str, bytes] = {}
        if route.upstream_model is not None and route.upstream_model != self.text(_MODEL):
            replace = {_MODEL: route.upstream_model.encode()}
        ours = FORM_FIELDS.union(name for name, _ in watch.flattened)
        if route.tier is Tier.ADAPT:
            self._editor = self._adaptation = adapt_form(
                operation, source, route.dialect, self._content_type, replace, ours
            )
        elif replace or not ours.isdisjoint(watch.values):
            self._editor = form_editor(self._content_type, FieldEdits(replace, ours))
        self.edited = self._editor is not None
        passed = b"".join(self._passed)
        self._passed.clear()
        return self._edit(passed)

    def pass_on(self, data: bytes) -> bytes:
        """Return what becomes of more bytes of a form that was routed. Raises InvalidRequest."""
        return self._edit(self._reader.feed(data))

    def finish(self) -> bytes:
        """Return the rest of a form that was routed before it was complete. Raises InvalidRequest."""
        rest = self._reader.close()
        self.complete = True
        return self._edit(rest)

    def _edit(self, data: bytes) -> bytes:
        if self._editor is None:
            return data
        data = self._editor.feed(data)
        if self.complete:
            data += self._editor.close()
        if self._strict:
            refuse_drops(self.changes)
        return data
