"""This office's trust policy: its own keys, the witnesses it asks, and how many of them it takes."""

from pathlib import Path

from django.conf import settings

from ledger import custody, tlogpolicy

# What a row holds (`models.Cosignature.name`).
_MAX_NAME = 255


def office_policy() -> tlogpolicy.Policy:
    """The file `ASSAY_LOG_POLICY` with this log's current keys as its logs; without a file the quorum is `none`.

    Raises tlogpolicy.BadPolicy, keys.KeyMissing, keys.BadKey.
    """
    policy = tlogpolicy.Policy()
    path = settings.ASSAY_LOG_POLICY
    if path:
        try:
            policy = tlogpolicy.parse(Path(path).read_bytes())
            _check_texts(policy)
        except (OSError, tlogpolicy.BadPolicy) as error:
            raise tlogpolicy.BadPolicy(f"the policy file ASSAY_LOG_POLICY={path} cannot be used: {error}") from error
    policy.logs = [tlogpolicy.Log(verifier, f"{settings.ASSAY_URL}/log") for verifier in custody.log_verifiers()]
    return policy


def _check_texts(policy: tlogpolicy.Policy) -> None:
    """A policy may hold any octets; this office stores and shows its own, so they are UTF-8. Raises BadPolicy."""
    try:
        policy.text().encode()
    except UnicodeEncodeError as error:
        raise tlogpolicy.BadPolicy("its names and addresses are not UTF-8") from error
    if any(len(witness.verifier.name) > _MAX_NAME for witness in policy.witnesses.values()):
        raise tlogpolicy.BadPolicy(f"a witness's key has a name of more than {_MAX_NAME} characters")
