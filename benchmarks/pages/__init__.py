"""The sixth group of probes: how fast the pages of the dashboard are made, over a year of usage."""
