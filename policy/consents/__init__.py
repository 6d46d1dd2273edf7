"""Consent of the people shown: asked, answered, withdrawn, and what it reaches; other bases; signals."""
