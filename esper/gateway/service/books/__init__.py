"""What calls reserve, cost and leave behind: with a chain, and without."""
