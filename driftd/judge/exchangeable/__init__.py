"""Channels whose events are exchangeable: Bayes factors over counts."""
