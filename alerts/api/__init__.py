"""The HTTP API about alerts."""
