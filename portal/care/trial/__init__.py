"""What other fences or limits would have alarmed: the gateway's own rules over stored history."""
