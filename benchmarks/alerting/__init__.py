"""The fifth group of probes: how fast accounts that moved are looked at, and what is told goes out."""
