"""Keys, signatures and release rules."""
