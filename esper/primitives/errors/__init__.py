"""One exception class for each rule, grouped by what is checked."""
