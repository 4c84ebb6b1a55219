"""Mistral's chat completions: OpenAI's family, with content in chunks and a closed schema.

Law: what the two formats share (messages, tools, the reading of answers) is in `openai_chat`; here is what differs.
Requests are written from an allow-list, because Mistral refuses a member it does not know (422). Answers are written
for the strictest of its five SDKs: no member is null that they hold to be a value, a tool call comes whole, usage is on
the finish chunk, and no event has a name. The adapt tier between the two formats is `dialects/mistral_*.py`; rules
that are the same (ids, levels of thinking, bounds) are taken from there.

Spec: https://docs.mistral.ai/api/#tag/chat
"""
