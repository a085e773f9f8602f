"""The network as the node sees it: what it needs of the chain, settings, what operators are told."""
