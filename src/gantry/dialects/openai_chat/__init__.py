"""OpenAI's chat completions: the format that most providers speak nearly, each with additions of its own.

Law: one codec for all of them. Requests are written as OpenAI itself takes them, and what another provider names
otherwise is the matter of its row's rules (`dialects/rules.py`). Answers are read in every spelling that was seen:
thinking under five names, usage in two places, tool calls without ids. `mistral_chat` shares the shapes of messages
and tools and the reading of answers; what differs there is written there.

Spec: https://platform.openai.com/docs/api-reference/chat. Thinking that can be given back is not in it: the shapes are
LiteLLM's and Respan's `thinking_blocks`, OpenRouter's `reasoning_details`
(https://openrouter.ai/docs/use-cases/reasoning-tokens) and Google's `extra_content`
(https://ai.google.dev/gemini-api/docs/thought-signatures).
"""
