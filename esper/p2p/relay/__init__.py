"""What is new, told at once: blocks and transactions."""
