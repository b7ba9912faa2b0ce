"""Where a satellite is: elements, propagation, frames, passes, Doppler. Pure; time is an argument."""
