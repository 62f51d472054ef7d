"""What the portal has the gateway do beside all alarms: plain texts, test calls, provisioning of bands."""
