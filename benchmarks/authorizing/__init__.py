"""The second group of probes: how fast "may I?" is answered, in SQL, from Python and over HTTP."""
