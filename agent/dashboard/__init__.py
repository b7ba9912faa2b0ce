"""The page people look at, and the few lines that serve it."""
