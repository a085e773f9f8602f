"""Packages of models that a node keeps: which, from where, whether they are right, until when."""
