"""What alerts do by themselves. Each task calls one operation and is safe to run twice at once."""
