"""A Stripe to develop and test against: the wire format of the real one, and no real money."""
