"""The fourth group of probes: how fast a month of many accounts is closed, and in how much memory."""
