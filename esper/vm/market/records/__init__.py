"""The market's records in the state, and where they stand."""
