"""Which connections there are: whom to dial, whom to let in, and who leaves for another."""
