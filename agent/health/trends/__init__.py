"""How parameters behave over time: windows, forecasts, anomalies; beside the limits, never instead of them."""
