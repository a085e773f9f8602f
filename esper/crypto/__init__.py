"""Keys, addresses, the VRF and the Poseidon2 digest. Stands on ``primitives`` alone."""
