"""The command `esperd`."""
