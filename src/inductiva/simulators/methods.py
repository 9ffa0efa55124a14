"""What simulators the platform has."""

from __future__ import annotations

from inductiva.api import catalogue


def list_available_images() -> dict[str, dict[str, list[str]]]:
    """`{"production": {name: [version, …]}, "development": {…}}`; a version ending in `_gpu` is for GPU machines."""
    images = catalogue.available_images()
    return {"production": images.production, "development": images.development}
