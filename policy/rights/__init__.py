"""People's own data: the register, requests, erasure, holds, retention, breaches."""
