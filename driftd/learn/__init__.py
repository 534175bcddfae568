"""Rows to a Reference: bins, natural variation, what the judge learns."""
