"""driftd watches machine-learning models in production: Kafka in, Prometheus out."""

__version__ = "0.1.0"
