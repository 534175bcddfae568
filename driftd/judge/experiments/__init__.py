"""Comparisons of variants that may be watched all day: what they say is right at any time."""
