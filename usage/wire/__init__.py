"""What providers' requests and answers say of themselves, byte by byte. Knows no Django and sends nothing."""
