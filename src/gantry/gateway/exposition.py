"""The text that Prometheus reads, in its own format (0.0.4) or as OpenMetrics (1.0), whichever is asked for.

Law: every family is told once, with what it is, and no two have one name in either format. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

PLAIN: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_TOTAL: Final = "_total"

Labels = Mapping[str, str]
Number = int | float


def format_asked(accept: bytes) -> str:
    """Return the content type of the format that an Accept header prefers."""
    return OPENMETRICS if b"application/openmetrics-text" in accept else PLAIN


class Exposition:
    """Families, one after the other."""

    def __init__(self, content_type: str) -> None:
        self._open = content_type == OPENMETRICS
        self._lines: list[str] = []

    def counter(self, name: str, words: str, samples: Iterable[tuple[Labels, Number]]) -> None:
        """Tell a family whose name ends in `_total`, which OpenMetrics takes for the sample's part."""
        family = name.removesuffix(_TOTAL) if self._open else name
        self._family(family, words, "counter", [(name, labels, value) for labels, value in samples])

    def gauge(self, name: str, words: str, value: Number, labels: Labels = {}) -> None:  # noqa: B006 - is not changed
        self._family(name, words, "gauge", [(name, labels, value)])

    def gauges(self, name: str, words: str, samples: Iterable[tuple[Labels, Number]]) -> None:
        self._family(name, words, "gauge", [(name, labels, value) for labels, value in samples])

    def histogram(
        self, name: str, words: str, bounds: Sequence[float], samples: Iterable[tuple[Labels, Sequence[int], float]]
    ) -> None:
        """Tell how many lasted how long: labels, a count for each bound and one beyond them, and the sum."""
        told: list[tuple[str, Labels, Number]] = []
        for labels, counts, total in samples:
            reached = 0
            for bound, count in zip((*bounds, None), counts, strict=True):
                reached += count
                le = "+Inf" if bound is None else repr(float(bound))
                told.append((f"{name}_bucket", {**labels, "le": le}, reached))
            told += [(f"{name}_sum", labels, total), (f"{name}_count", labels, reached)]
        self._family(name, words, "histogram", told)

    def render(self) -> bytes:
        return ("\n".join((*self._lines, *(("# EOF",) if self._open else ()))) + "\n").encode()

    def _family(self, name: str, words: str, kind: str, samples: Sequence[tuple[str, Labels, Number]]) -> None:
        self._lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
        self._lines += [f"{sample}{_told(labels)} {value}" for sample, labels, value in samples]


def _told(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
