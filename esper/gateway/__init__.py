"""The faces that OpenAI's and Ollama's clients know: requests in, signed answers out."""
