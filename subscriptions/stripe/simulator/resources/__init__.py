"""What the simulated API answers, one module per group of resources."""
