"""Moot."""
