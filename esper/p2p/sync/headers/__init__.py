"""Asking for headers, and what becomes of them: branches that lead."""
