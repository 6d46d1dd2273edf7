"""Where the weights come from. The only rooms that import torch; no web process and no examination imports any of this.

- `data`: the packages that training and test pictures come from, pinned; `sources` is the list.
- `augmentation`: what happens to pictures on their way through the world, the same for both classes.
- `splits`: leave one source, one generator out.
- `export`: torch to ONNX, with a parity fixture.
- one module per detector.
"""
