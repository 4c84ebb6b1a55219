"""Imports: what other gateways wrote down, read into Gantry's own values, and what of it means nothing here.

Law: pure (law 2), a module for each source. Nothing is lost in silence: every member of what was given is named in the
findings as carried over, carried over otherwise, or left behind with the reason, one that no table here knows too.

What a source's members come to is a table (`Field` by place), which the report, the documentation and the tests are
made from; a module adds what only the values tell.
"""
