"""Answers in the forms of OpenAI's and Ollama's clients: whole, or as streams of bytes."""
