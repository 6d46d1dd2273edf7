"""What may have happened to a picture before it is examined. One list, the same for every detector and peer."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from detection.training.augmentation import Rgb, blurred, cropped, resized, saved, screenshot, social

Condition = Callable[[Rgb], Rgb]

CONDITIONS: Mapping[str, Condition] = MappingProxyType(
    {
        "as_is": lambda rgb: rgb,
        "jpeg_90": lambda rgb: saved(rgb, 90),
        "jpeg_70": lambda rgb: saved(rgb, 70),
        "jpeg_50": lambda rgb: saved(rgb, 50),
        "resize": lambda rgb: resized(rgb, 0.75),
        "resize_jpeg_70": lambda rgb: saved(resized(rgb, 0.75), 70),
        "blur": lambda rgb: blurred(rgb, 1.0),
        "screenshot": screenshot,
        "social": social,
        "crop": lambda rgb: cropped(rgb, 0.8),
    }
)
