"""Gantry's hot path, compiled ahead of time by mypyc from the same source. See adr/0016."""
