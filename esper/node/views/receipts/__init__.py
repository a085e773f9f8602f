"""Receipts of calls, made from what a node keeps."""
