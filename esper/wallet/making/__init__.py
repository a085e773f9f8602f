"""From a wish to a signed transaction."""
