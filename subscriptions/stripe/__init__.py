"""Payments at Stripe, and the built-in simulator of it."""
