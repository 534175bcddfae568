"""The model side: windows, statuses, findings, and what could be found."""
