"""The page that a run of ``make hil`` leaves: every requirement with its figure, every scenario with its ledger."""
