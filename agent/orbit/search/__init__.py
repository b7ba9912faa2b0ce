"""Where a trajectory on a uniform grid crosses a station's horizon; knows no elements, no dates, no file."""
