"""What the platform decides, as pure functions: no I/O, no clock, no database."""
