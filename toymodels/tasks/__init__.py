"""Data that toy models learn from."""
