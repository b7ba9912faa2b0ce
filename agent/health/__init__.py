"""Verdicts: limits, alarms and the state of the link. Knows reports and times, no transport."""
