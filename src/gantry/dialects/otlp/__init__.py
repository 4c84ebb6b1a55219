"""OpenTelemetry's traces: the messages of OTLP, in either of their encodings, and what a span says as a log.

Law: each span becomes one posted log, which then goes the way of every other (law 9 of the design). What a span says in
a family of attributes that we know is read from it; everything else it says is kept beside.
"""
