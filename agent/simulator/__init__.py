"""The transmitter's side: modulators, satellite models, and servers that look like hardware."""
