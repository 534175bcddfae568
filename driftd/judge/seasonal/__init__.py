"""Channels that follow the hour and the week: levels against the same hours of earlier weeks."""
