"""What a client asks for: its JSON read into one typed request, or a refusal."""
