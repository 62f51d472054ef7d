"""Ways to reach a telephone, one module a carrier; found by folder."""
