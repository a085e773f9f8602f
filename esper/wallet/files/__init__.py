"""Wallets, backups and transactions as files."""
