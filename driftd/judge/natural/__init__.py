"""Faults and changes on traffic of any regime, against the reference's natural variation."""
