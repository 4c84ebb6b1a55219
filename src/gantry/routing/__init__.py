"""Routing: which deployment serves a call, decided without I/O over one immutable snapshot.

Law: pure. Clock and chance are arguments; nothing here awaits, queries or logs.
"""
