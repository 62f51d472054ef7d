"""The search for somebody lost, and the links for those who help without an account."""
