"""What was drawn is shown as what it is, with words for who does not see it."""

from collections.abc import Callable

from django.template.loader import render_to_string

from accounts.models import User
from detection.examination import examine
from detection.models import Finding
from detection.report_section import finding_as_dict
from tests.detection.conftest import Work


def page(finding: Finding) -> str:
    return render_to_string("web/_finding.html", {"finding": finding, "picture": "/preview/", "title": "Launch"})


def test_a_spectrogram_is_a_picture_of_its_own_with_its_text_and_lies_over_nothing(
    alice: User, work: Work, photo: bytes, install: Callable
) -> None:
    install("sings")
    finding = examine(work(alice, photo), "sings").findings.get()
    shown = page(finding)
    assert 'alt="Spectrogram, low tones below."' in shown and "<figcaption>Spectrogram, low tones below." in shown
    assert "/preview/" not in shown and "magenta" not in shown
    told = finding_as_dict(finding)
    assert (told["picture"], told["alternative"]) == ("spectrogram", "Spectrogram, low tones below.")


def test_a_heat_map_lies_over_the_picture(alice: User, work: Work, photo: bytes, install: Callable) -> None:
    install("draws")
    finding = examine(work(alice, photo), "draws").findings.get()
    assert finding_as_dict(finding)["picture"] == "heat_map"
    shown = page(finding)
    assert "/preview/" in shown and "Heat map: the stronger the magenta" in shown
    finding.details["alternative"] = "The map is strongest in the lower right."
    assert 'alt="The map is strongest in the lower right."' in page(finding)


def test_what_would_change_an_answer_stands_on_the_page_in_one_sentence(
    alice: User, work: Work, photo: bytes, install: Callable
) -> None:
    install("sings")
    finding = examine(work(alice, photo), "sings").findings.get()
    assert "What would change this: A factor." in page(finding)
    told = finding_as_dict(finding)
    assert told["what_would_change"] == "A factor." and not told["details"]
