"""Definitions that operators already own, read as they are."""
