"""Rules about the groups of Prove transactions, by what these are about."""
