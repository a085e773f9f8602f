"""Connections: Noise and Yamux over TCP, behind one port."""
