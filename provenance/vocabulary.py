"""Words with a fixed meaning that go into credentials."""

from django.db import models

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


class SourceType(models.TextChoices):
    """IPTC Digital Source Type, the keys of https://cv.iptc.org/newscodes/digitalsourcetype/ that are not retired."""

    DIGITAL_CAPTURE = "digitalCapture", "Photographed or filmed with a digital camera"
    COMPUTATIONAL_CAPTURE = "computationalCapture", "Captured with computational processing in the camera"
    NEGATIVE_FILM = "negativeFilm", "Scanned from a film negative"
    POSITIVE_FILM = "positiveFilm", "Scanned from a slide or other positive"
    PRINT = "print", "Scanned from a print"
    HUMAN_EDITS = "humanEdits", "Edited by a person, without generative tools"
    COMPOSITE_CAPTURE = "compositeCapture", "Composed of several captures"
    ALGORITHMICALLY_ENHANCED = "algorithmicallyEnhanced", "Enhanced by an algorithm"
    DATA_DRIVEN = "dataDrivenMedia", "Drawn from data"
    DIGITAL_CREATION = "digitalCreation", "Made by a person with digital tools"
    SCREEN_CAPTURE = "screenCapture", "Captured from a screen"
    VIRTUAL_RECORDING = "virtualRecording", "Recorded from a virtual event"
    COMPOSITE = "composite", "Composed of several sources"
    COMPOSITE_SYNTHETIC = "compositeSynthetic", "Composed, with synthetic parts"
    COMPOSITE_AI = "compositeWithTrainedAlgorithmicMedia", "Edited with a generative model"
    TRAINED_ALGORITHM = "trainedAlgorithmicMedia", "Created by a generative model"
    ALGORITHM = "algorithmicMedia", "Created by an algorithm that was not trained"

    @property
    def uri(self) -> str:
        """The full URI that C2PA wants in `digitalSourceType`."""
        return IPTC + self.value


SYNTHETIC = frozenset(
    {SourceType.TRAINED_ALGORITHM, SourceType.COMPOSITE_AI, SourceType.COMPOSITE_SYNTHETIC, SourceType.ALGORITHM}
)


class Training(models.TextChoices):
    """Whether the owner lets others train models on the work or mine it (CAWG training and data mining assertion)."""

    NOT_ALLOWED = "notAllowed", "Not allowed"
    ALLOWED = "allowed", "Allowed"


# https://cawg.io/training-and-data-mining/ §2: one answer for each of the four uses.
TRAINING_USES = ("cawg.ai_generative_training", "cawg.ai_inference", "cawg.ai_training", "cawg.data_mining")
