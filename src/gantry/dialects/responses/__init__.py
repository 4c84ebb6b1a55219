"""OpenAI's Responses: a conversation as a flat list of items, and answers as items too.

Law: one turn of the assistant is several items here (its reasoning, its message, each of its calls) and one message in
the canonical chat; they are joined in order and come apart in the same order. An item that only this format knows is a
`NativePart` holding the whole item, never a piece of one. In `extra` an empty value means that a parameter was
understood and only the fact that it was given is remembered: `instructions` (its text is the first message) and
`include` (the sealed reasoning was asked for).
Requests are encoded without state: `store` is false, and what the provider would have remembered is sent.
Spec: https://platform.openai.com/docs/api-reference/responses, https://www.openresponses.org
"""
