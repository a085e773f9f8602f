"""Other branches: looked for, and tried one after the other while a node was never synced."""
