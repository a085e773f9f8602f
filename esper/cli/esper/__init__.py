"""The command `esper`."""
