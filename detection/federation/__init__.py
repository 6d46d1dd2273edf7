"""Several institutions train one head without showing each other a picture.

- `plan`: what all agree on before the first round; its digest is in everything that follows.
- `holding`: one institution's features and labels, and the basis on which it may train with each of them.
- `rounds`: what happens in a round. Pure NumPy; the same code in tests, in the engine and in a replay.
- `contribution`: what an institution hands in, signed.
- `privacy`: counts with noise, and what can be read from them (calibration, metrics).
- `simulation`: whole federations in one process.
- `institution`, `coordinator`: Flower's ClientApp and ServerApp around the above. Imported by Flower's environment
  only.
- `engine`, `drill`, `recording`: Flower's processes, the proof that it works, and the way into the register.

Flower has an environment of its own (requirements/federation.txt): what it imports from here needs NumPy and
cryptography and nothing else.
"""
