"""`esper dao curate`: hidden sets, from the items to their openings."""
