"""Programs to run."""

from inductiva.simulators import methods
from inductiva.simulators.custom_image import CustomImage
from inductiva.simulators.simulator import Simulator
from inductiva.simulators.splishsplash import SplishSplash

__all__ = ["CustomImage", "Simulator", "SplishSplash", "methods"]
