"""SQL models over published tables: silver and gold."""
