"""Calls of the gateway on their way: signed, sent, proven, over every change of chain."""
