"""The wallet: words, keys, the keystore, and transactions made and signed for its owner."""
