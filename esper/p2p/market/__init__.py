"""The market's own protocol: what payers, providers and verifiers tell each other."""
