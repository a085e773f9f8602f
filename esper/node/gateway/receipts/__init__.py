"""Receipts of the gateway's answers, made and kept."""
