"""Checkpoints as others publish them: one file or several of safetensors, or a GGUF file."""
