"""Bytes of the wire: frames and the records in them."""
