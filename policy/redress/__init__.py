"""Appeals, and bodies outside."""
