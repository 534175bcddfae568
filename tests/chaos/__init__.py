"""Faults on purpose: a real Kafka, real daemons, and a count of the topic that driftd has no part in."""
