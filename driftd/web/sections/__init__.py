"""Sections of the status page."""
