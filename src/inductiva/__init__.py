"""Simulations as durable tasks."""

__version__ = "0.19.0"
