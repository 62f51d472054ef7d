"""A wearer's care settings: every version the gateway told, and the orders that change them."""
