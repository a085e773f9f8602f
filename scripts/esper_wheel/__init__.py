"""Makes the wheel: maturin compiles, once for each level of processors; this puts it together."""
