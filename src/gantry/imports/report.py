"""The report of an import, for people and for programs.

Law: it says the worst first, and leaves out nothing: what was carried over is listed as well.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from gantry.imports.finding import TO_BE_READ, Fate, Finding


def summary(findings: Iterable[Finding]) -> str:
    """Return how many members came to what, in a line."""
    counts = Counter(finding.fate for finding in findings)
    return ", ".join(f"{counts[fate]} {fate}" for fate in Fate if counts[fate]) or "nothing was said"


def lines_of(findings: Sequence[Finding], *, everything: bool) -> Iterator[str]:
    """Yield the findings as text, those that must be read first; the others only if `everything`.

    Neighbours that came to the same stand in one line.
    """
    for fate in (*TO_BE_READ, *(fate for fate in Fate if fate not in TO_BE_READ and everything)):
        chosen = [finding for finding in findings if finding.fate is fate]
        if chosen:
            yield f"{fate}:"
            for words, same in groupby(chosen, key=lambda finding: finding.words):
                yield f"  {', '.join(_where(finding) for finding in same)}: {words}"


def report_of(source: str, findings: Sequence[Finding], **more: Any) -> dict[str, Any]:
    """Return the report as JSON has it."""
    counts = Counter(finding.fate for finding in findings)
    return {
        "source": source,
        "summary": {fate.name.lower(): counts[fate] for fate in Fate},
        **more,
        "findings": [
            {
                "place": finding.place,
                "line": finding.line,
                "fate": finding.fate.name.lower(),
                "words": finding.words,
                **({} if finding.count is None else {"rows": finding.count}),
            }
            for finding in findings
        ],
    }


def _where(finding: Finding) -> str:
    line = "" if finding.line is None else f" (line {finding.line})"
    rows = "" if finding.count is None else f" ({finding.count} rows)"
    return f"{finding.place}{line}{rows}"
