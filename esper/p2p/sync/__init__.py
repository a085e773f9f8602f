"""Following the chain that peers have: claims, headers, blocks in order."""
