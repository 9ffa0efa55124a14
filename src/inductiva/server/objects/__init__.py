"""Stored files and the signed URLs that reach them."""
