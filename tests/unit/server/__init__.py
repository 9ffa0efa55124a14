"""Tests of the server: services on a real database, HTTP on a real socket, processes that are killed."""
