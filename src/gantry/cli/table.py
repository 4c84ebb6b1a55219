"""Plain tables on stdout: columns as wide as they need, no lines, easy to cut.

Law: what callers and providers wrote is shown, and never obeyed by the terminal.
"""

from collections.abc import Sequence

import click


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    rows = [[plain(cell) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in (head, *rows)) for index in range(len(head))]
    for row in (head, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def plain(text: str) -> str:
    """Return a text as one line in which nothing is a terminal's command."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in text)
