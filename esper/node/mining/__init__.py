"""Templates, their search, and mining as a whole."""
