"""The ground floor: values.

Law: frozen values and pure functions only; no I/O, no clock, no randomness, no logging. Everything else stands on this.
"""
