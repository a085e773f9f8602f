"""`esper plan`: what a proof would take, before anything is bought."""
