"""Google Cloud's Vertex AI: Gemini and Claude behind access tokens, which its token endpoint gives."""
