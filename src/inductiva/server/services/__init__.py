"""What the platform does, one module a noun. No HTTP here; refusals are `inductiva.server.problems`."""
