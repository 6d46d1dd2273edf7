"""What a guarded child that signs may ask this process: one byte for the kind, then the question.

Shared by the child (provenance.c2pa) and the answering side (provenance.guarded), which must not load the library.
"""

from typing import Final

# For a signature over the COSE `Sig_structure` that follows (RFC 9052 §4.4).
SIGN: Final = b"S"
# For the TimeStampResp to the TimeStampReq that follows (RFC 3161 §2.4), both DER.
STAMP: Final = b"T"
