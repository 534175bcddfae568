"""Kafka: the consumer, its checks, and the decoding of record batches."""
