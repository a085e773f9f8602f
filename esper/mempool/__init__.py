"""Transactions that wait for a block: who may wait, who goes first. Policy, not consensus."""
