"""The gateway on an HTTP server: who may ask, in what order, and what becomes of an answer."""
