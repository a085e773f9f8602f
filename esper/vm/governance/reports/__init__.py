"""Reports on proposed models: who may make one, what becomes of it, and of its bond."""
