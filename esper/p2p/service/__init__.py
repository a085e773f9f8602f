"""The machines on the event loop."""
