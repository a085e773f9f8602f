"""Requests, answers and the rates at which peers may ask."""
