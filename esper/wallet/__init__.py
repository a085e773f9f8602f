"""The wallet: keys from words, an encrypted file, transactions built, signed and explained."""
