"""What the commands that make transactions share, and `esper build`."""
