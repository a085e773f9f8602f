"""`esper dao report, refute`: what a model gets right, claimed for a bond and proven."""
