"""A file's own credential as the second witness of a label: somebody whom a trust list vouches for signed that a
generative model made it.

Asked once, in a job after the proposal. A credential that this office wrote counts for nothing here: it repeats what
the owner said.
"""

import uuid

from core import jobs
from core.models import Job
from detection import labels
from detection.models import Label
from provenance import verification
from provenance.models import Asset

MADE_BY_A_MODEL = "inception:signal_fullyGenAIMedia"


@jobs.handler(labels.WITNESS)
def ask(job: Job) -> None:
    """Corroborates the label that the job names, if the file itself says the same and nobody was quicker."""
    label = Label.objects.select_related("asset").get(pk=uuid.UUID(str(job.args["label"])))
    if label.state == Label.State.PROPOSED and says_made(label.asset):
        labels.corroborate(label, None)


def says_made(asset: Asset) -> bool:
    """Whether the original's credential holds, its signer is on a trust list, and it says of this file (not of an
    earlier one) that a generative model made it.
    """
    report = verification.known(asset.original_sha256)
    if report is None or (report.credential.state, report.credential.trust) != ("valid", "trusted"):
        return False
    return any(one.name == MADE_BY_A_MODEL and one.of == "this_file" for one in report.signals)
