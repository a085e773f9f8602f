"""Searching and proving on other machines: what is asked of them, and what is made of their words."""
