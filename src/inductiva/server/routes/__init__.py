"""HTTP: parse, authorise, answer. No SQL here."""
