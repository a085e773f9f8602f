"""Chat templates in a process of their own: whatever one does, its node goes on."""
