"""Peers that look like hardware, and what listens to them."""
