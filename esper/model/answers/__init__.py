"""Answers as text while their tokens come: whole characters, cut where a caller says stop."""
