"""What people see of the simulator: Checkout, the hosted invoice, the billing portal."""
