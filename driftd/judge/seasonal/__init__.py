"""Channels with a weekly pattern or autocorrelation: levels against the same hours of earlier weeks."""
