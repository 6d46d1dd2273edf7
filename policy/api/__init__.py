"""The doors of the REST API into this room. Addresses: `policy.urls`."""
