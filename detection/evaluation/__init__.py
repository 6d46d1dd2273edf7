"""Measuring detectors: the same files, conditions and tables for ours and for others'. Nothing here is fitted.

- `suite`: what is measured on, an `Item` each.
- `conditions`: what happened to it on the way.
- `harness`: raw scores over suite x conditions.
- `tables`: figures with intervals, per source and generator; the only door to `evaluation.json`.
- `peers*`: other people's detectors, as shipped.
"""
