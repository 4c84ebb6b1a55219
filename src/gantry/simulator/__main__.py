"""`python -m gantry.simulator`."""

from gantry.simulator.command import command

if __name__ == "__main__":
    command(prog_name="gantry.simulator")
