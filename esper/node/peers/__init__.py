"""The network as the node sees it: its needs of the chain, settings, what operators are told."""
