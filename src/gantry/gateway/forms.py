"""A form on its way to a provider: held until its model is known, then edited as it passes.

Law: a file flows through in bounded memory once the fields before it say where to; a form whose model comes behind its
file is held, within the bound of any body. Fields of ours never reach a provider; those that come too late to act on
are taken out all the same.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gantry.core.vocabulary import Dialect, Operation, Tier
from gantry.dialects.adapt import FormAdaptation, adapt_form
from gantry.dialects.changes import Change
from gantry.gateway.params import FORM_FIELDS
from gantry.routing.plan import Route
from gantry.wire.form import FieldEdits, FormEditor, FormPeek
from gantry.wire.multipart import MULTIPART, URLENCODED, form_editor

_MEDIA_TYPES: Final = (MULTIPART, URLENCODED)


def is_form(content_type: str) -> bool:
    return content_type.lower().startswith(_MEDIA_TYPES)


class FormUpload:
    """One form. `feed` until it is `ready` or complete; `route`, and what it returns goes upstream; then `pass_on`."""

    __slots__ = ("_adaptation", "_content_type", "_editor", "_held", "_peek", "_reader", "complete", "edited", "size")

    def __init__(self, content_type: str) -> None:
        """Raises InvalidRequest when the content type names no boundary."""
        self._content_type = content_type
        self._peek = FormPeek()
        self._reader: FormEditor = form_editor(content_type, self._peek)
        self._held: list[bytes] = []
        self._editor: FormEditor | FormAdaptation | None = None
        self._adaptation: FormAdaptation | None = None
        self.complete = False
        self.edited = False
        self.size = 0

    @property
    def ready(self) -> bool:
        """Whether enough is here to route by: the model, and all fields before the file."""
        return self.complete or (self._peek.saw_file and "model" in self._peek.values)

    @property
    def adaptation(self) -> FormAdaptation | None:
        return self._adaptation

    @property
    def changes(self) -> list[Change]:
        return self._adaptation.changes if self._adaptation is not None else []

    def feed(self, data: bytes) -> None:
        """Take bytes of a form that is not routed yet. Raises InvalidRequest."""
        self._held.append(data)
        self.size += len(data)
        self._reader.feed(data)

    def close(self) -> None:
        """Say that the form came to its end before it was routed. Raises InvalidRequest."""
        self._reader.close()
        self.complete = True

    def text(self, name: str) -> str | None:
        return self._peek.text(name)

    def flag(self, name: str) -> bool:
        return self._peek.values.get(name) in (b"true", b"True", b"1")

    def values(self) -> list[str]:
        """Return what the fields say, for whoever looks for something in them."""
        return [raw.decode("utf-8", "replace") for raw in self._peek.values.values()]

    def parameters(self) -> dict[str, Any]:
        """Return the fields of ours: JSON where a value is JSON, else as text."""
        return {name: _value(raw) for name, raw in self._peek.values.items() if name in FORM_FIELDS}

    def outline(self) -> bytes:
        """Return what the record keeps of a form: its fields as JSON, without files."""
        fields = {
            name: raw.decode("utf-8", "replace") for name, raw in self._peek.values.items() if name not in FORM_FIELDS
        }
        return msgspec.json.encode(fields)

    def route(self, operation: Operation, source: Dialect, route: Route) -> bytes:
        """Decide where it goes; return what of it can go upstream already. Raises InvalidRequest."""
        replace: Mapping[str, bytes] = {}
        if route.upstream_model is not None and route.upstream_model != self.text("model"):
            replace = {"model": route.upstream_model.encode()}
        ours = FORM_FIELDS & self._peek.values.keys()
        held = b"".join(self._held)
        self._held.clear()
        if route.tier is Tier.ADAPT:
            self._editor = self._adaptation = adapt_form(
                operation, source, route.dialect, self._content_type, replace, FORM_FIELDS
            )
        elif replace or ours:
            self._editor = form_editor(self._content_type, FieldEdits(replace, FORM_FIELDS))
        else:
            return held  # it leaves as it came
        self.edited = True
        out = self._editor.feed(held)
        return out + self._editor.close() if self.complete else out

    def pass_on(self, data: bytes) -> bytes:
        """Return what becomes of more bytes of a form that was routed. Raises InvalidRequest."""
        return data if self._editor is None else self._editor.feed(data)

    def finish(self) -> bytes:
        """Return the rest of a form that was routed before it was complete. Raises InvalidRequest."""
        self.complete = True
        return b"" if self._editor is None else self._editor.close()


def _value(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return raw.decode("utf-8", "replace")
