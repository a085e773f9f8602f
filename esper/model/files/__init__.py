"""The files of a model directory: read strictly, the same by every reader; written whole or not."""
