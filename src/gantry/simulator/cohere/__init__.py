"""Cohere's second API: chat with a plan before its tools, embeddings of several types at once, and ranking."""
