"""Gantry: a self-hosted LLM gateway. The tour is in ARCHITECTURE.md; each folder states its law in its first lines."""

__version__ = "0.1.0"
