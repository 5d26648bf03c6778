"""Images at addresses: fetched before anything is asked, so that a run does not end at one that is gone."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vlmrobust.core.samples import ImageSource, Sample
from pytest_vlmrobust.datasets.downloads import NoImage, UrlImage, download_all
from pytest_vlmrobust.datasets.faults import Fault, Faults


def available(samples: Sequence[Sample]) -> tuple[list[Sample], tuple[Fault, ...]]:
    """Fetch the images of samples that are at addresses.

    Returns:
        The samples whose images are here, and how many are not.

    Raises:
        DataError: nothing may be downloaded, and some are not here.
    """
    images = [image for sample in samples for image in sample.images]
    gone: dict[ImageSource, str] = {image: image.reason for image in images if isinstance(image, NoImage)}
    gone.update(download_all(image for image in images if isinstance(image, UrlImage)).items())
    faults = Faults()
    there = []
    for sample in samples:
        missing = [image for image in sample.images if image in gone]
        if missing:
            faults.add("image-unavailable", f"{sample.id} ({gone[missing[0]]})")
        else:
            there.append(sample)
    return there, faults.listed()
