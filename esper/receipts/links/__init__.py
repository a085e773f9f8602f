"""One module a link: what must hold between two parts of a receipt.

Each ``judge`` gives a status with a few words, or raises BrokenLinkError. What a link reads first
fails at that link where it cannot be read.
"""
