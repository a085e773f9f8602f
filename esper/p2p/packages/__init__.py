"""Packages of models: fetched from many peers at once, and given to others."""
