"""Channels whose events do not follow each other: Bayes factors over counts."""
