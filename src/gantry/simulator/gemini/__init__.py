"""Google's Gemini API: messages that a closed protocol describes, and thought signatures that must come back."""
