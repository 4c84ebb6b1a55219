"""Voyage AI's formats, which are nearly OpenAI's for embeddings and nearly Cohere's for ranking."""
