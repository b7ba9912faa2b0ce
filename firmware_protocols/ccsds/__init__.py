"""What the CCSDS frame and packet protocols share: counters, packets across frames, time codes, the CLCW."""
