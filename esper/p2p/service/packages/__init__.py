"""Packages of models on the event loop: jobs, answers, and what the node asks for."""
