"""Cases: service guides, online applications and residents' reports, from a form to "done"."""
