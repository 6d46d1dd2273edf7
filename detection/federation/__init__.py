"""Several institutions train one head without showing each other a picture.

- `plan`: what all agree on before the first round; its digest is in everything that follows.
- `holding`: one institution's features and labels, and the basis on which it may train with each of them.
- `features`, `extraction`, `own_material`: what is computed of its pictures, and of which of its own.
- `material`, `resynthesis`: the three publishers of the drill, and the generated half of their pictures.
- `rounds`: what happens in a round. Pure NumPy; the same code in tests, in the engine and in a replay.
- `contribution`, `records`: what an institution hands in, signed; what is kept of each round.
- `privacy`: counts with noise, and what can be read from them (calibration, metrics).
- `figures`: what a federation is worth, and what attacks and noise cost it.
- `simulation`: whole federations in one process.
- `institution`, `coordinator`, `coordinator_in_secret`, `node`: Flower's ClientApp and ServerApps around the above, and
  what a node holds. Imported by Flower's environment only.
- `engine`, `taking_part`, `drill`, `recording`: Flower's processes, a node's part in them, the proof that it works, and
  the way into the register.

Flower has an environment of its own (requirements/federation.txt): what it imports from here needs NumPy and
cryptography and nothing else.
"""
