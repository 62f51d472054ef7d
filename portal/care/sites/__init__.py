"""What stands at a site: gateways, bands, duty and test calls as their gateway told them."""
