"""What is sent by e-mail: that something is there, and where. Never reasons, words of a case, or names: mail is read by
others. Who left no address reads the same on the page.
"""

from django.conf import settings
from django.core.mail import send_mail

from core import jobs
from core.models import Job
from policy.filing import address_proof
from policy.models import Notice
from policy.rights import people

# What happened: (subject, sentence). What it is, the page says.
ABOUT = {
    "asked": ("A question about your notice", "We need something more from you about your notice"),
    "unfounded": ("Your notice", "There is something new about your notice"),
    "misuse_notices": ("About your notices", "There is a message for you about how your notices are used"),
    "misuse_uploads": ("About your works", "There is a message for you about your works"),
    "counter_notice": ("A counter-notice", "There is a counter-notice to your notice, and a time to act"),
}


def send(address: str, subject: str, sentence: str, path: str, *, also: str = "") -> None:
    """One sentence and a page of this office; also: a second such line. Does nothing without an address."""
    if not address:
        return
    office = settings.ASSAY_OFFICE_NAME
    body = f"{sentence}, at {settings.ASSAY_URL}{path}\n\n{also}This office is {office}. You need not answer.\n"
    send_mail(f"{office}: {subject}", body, None, [address])


@jobs.handler("policy.acknowledge_notice")
def _acknowledge(job: Job) -> None:
    """DSA 16(4): without undue delay. The page and the API have said it already; this is for the address."""
    notice = Notice.objects.select_related("filer").get(pk=job.args["notice"])
    sentence = f"We received your notice {notice.number}. You can follow it with its number and PIN"
    send(people.name_and_contact(notice.filer)[1], "We received your notice", sentence, "/notice/", also=_prove(notice))


def _prove(notice: Notice) -> str:
    """Who files with an account has shown who they are."""
    if notice.account_id:
        return ""
    link = f"{settings.ASSAY_URL}{address_proof.path(notice)}"
    return f"If you filed it, say here that this address is yours; if not, do nothing: {link}\n\n"


@jobs.handler("policy.tell_notice")
def _tell(job: Job) -> None:
    notice = Notice.objects.select_related("filer").get(pk=job.args["notice"])
    about = str(job.args["about"])
    subject, sentence = ABOUT[about]
    # The copy of a counter-notice is for who reads the mail of their address.
    also = _prove(notice) if about == "counter_notice" and notice.filer.contact_proved_at is None else ""
    send(people.name_and_contact(notice.filer)[1], subject, sentence, "/notice/", also=also)
