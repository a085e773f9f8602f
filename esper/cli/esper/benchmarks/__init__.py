"""The command that asks a model a benchmark. No chain is needed for it."""
