"""Who is transmitting: whether a signal can be the satellite it claims to be, and which of several objects it
is."""
