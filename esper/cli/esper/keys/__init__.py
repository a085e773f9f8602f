"""`esper key`: keys of a gateway's users."""
