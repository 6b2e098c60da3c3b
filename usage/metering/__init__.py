"""Metering without code: transports that check, hold, meter and settle the calls of provider clients.

Importable without Django; only the local meter (`usage.metering.local`) and the middleware need it.
"""
