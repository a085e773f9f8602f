"""What names a model: its integers, their polynomial and its commitment, in plain Python."""
