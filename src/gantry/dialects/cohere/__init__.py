"""Cohere's chat (`/v2/chat`): whole answers, and server-sent events with a name and a `type`.

Law: what a model says before it calls tools (`tool_plan`) is text here, as it is with every other provider; text beside
calls goes back as the plan. Usage is what Cohere bills (`billed_units`), because `tokens` also counts what Cohere puts
around the caller's words.

Spec: https://docs.cohere.com/reference/chat and https://docs.cohere.com/reference/chat-stream
"""
