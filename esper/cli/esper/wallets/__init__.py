"""Commands that make wallets and look after them."""
