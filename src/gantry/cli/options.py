"""Options that every command takes, with one spelling."""

import math
from pathlib import Path

import click

FROM_STDIN = "-"  # as a secret's value: it is read from there

home_option = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="GANTRY_HOME",
    default=Path("~/.gantry"),
    show_default=True,
    show_envvar=True,
    help="The home directory.",
)

organization_option = click.option(
    "--org",
    "--organization",
    "organization",
    metavar="NAME",
    help="Another organization than the first, by name or id.",
)

WEIGHT = click.FloatRange(min=0, max=1_000_000_000)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def check_weight(_ctx: click.Context, _param: click.Parameter, value: float | None) -> float | None:
    """Return an option's value where it is a number, as a click callback: no range of click's refuses NaN."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("it must be a number")
    return value


def split_models(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Return the models in an option's value, as a click callback."""
    return split_text(value or "")


def split_text(text: str) -> tuple[str, ...]:
    """Return what stands between the commas of a text."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
