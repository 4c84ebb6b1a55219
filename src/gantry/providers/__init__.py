"""Providers are data (law 3): one TOML file in `catalog/` per provider, read by a strict loader.

Law: no provider's name in an `if`. Python here only says what data cannot: how to load a row and how to sign a request.
"""
