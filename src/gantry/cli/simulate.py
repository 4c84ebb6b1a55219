"""`gantry simulate`: providers that speak the real wire formats, with faults on demand."""

from gantry.simulator.command import command

__all__ = ["command"]
