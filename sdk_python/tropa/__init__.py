"""Tropa's Python SDK."""
