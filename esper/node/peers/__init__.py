"""The network as the node sees it: settings, the port that others ask, what operators are told."""
