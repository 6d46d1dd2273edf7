"""Witnesses without a network: keys, a policy that asks for them, and cosignatures as they are stored."""

from pathlib import Path
from typing import Any

from ledger import keys, notes
from ledger.models import Checkpoint


class Witnesses:
    """Greta's and the newspaper's witness, in a policy that asks for some of them."""

    def __init__(self, folder: Path, settings: Any, threshold: int) -> None:
        self.signers = [
            keys.witness_signer(folder / f"{name}.key", f"{name}.example/witness", create=True)
            for name in ("greta", "paper")
        ]
        lines = [f"witness w{i} {one.verifier.vkey}" for i, one in enumerate(self.signers)]
        file = folder / "policy"
        file.write_text("\n".join([*lines, f"group both {threshold} w0 w1", "quorum both", ""]))
        settings.ASSAY_LOG_POLICY = str(file)

    def cosign(self, checkpoint: Checkpoint, *which: int) -> None:
        note = notes.parse(checkpoint.note)
        for signer in [self.signers[i] for i in which]:
            (signature,) = notes.sign(note.text, signer).signatures
            timestamp = int.from_bytes(signature.signature[:8], "big")
            rows = checkpoint.cosignatures
            rows.create(name=signer.name, key_id=signer.key_id, line=signature.line(), timestamp=timestamp)
