"""What an export decides before it rounds, how it rounds, and what it says of both."""
