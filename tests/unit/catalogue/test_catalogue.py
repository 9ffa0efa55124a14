"""The simulators' files: what is shipped is sound, and what is not is refused with the file and the reason."""

from pathlib import Path

import pytest

from inductiva import catalogue
from inductiva.catalogue import CatalogueError, Simulator, Version, loader
from inductiva.catalogue.model import Channel, image, split_image, version_key

OFFERED = [(name, version.version) for name, found in catalogue.load().simulators.items() for version in found.versions]


def test_shipped_simulators_load() -> None:
    assert {"base-image", "splishsplash", "swmm"} <= set(catalogue.load().names())


@pytest.mark.parametrize(("name", "version"), OFFERED)
@pytest.mark.parametrize("suffix", ["", "_gpu", "_dev", "_gpu_dev"])
def test_image_finds_its_version(name: str, version: str, suffix: str) -> None:
    found = catalogue.load().find_image(image(name, version) + suffix)
    assert found
    assert (found[0].name, found[1].version) == (name, version)


@pytest.mark.parametrize(
    "uri",
    ["", "docker://someone/else:1", image("splishsplash", "0.0"), image("nothing", "1"), "docker://inductiva/kutu:x"],
)
def test_other_images_are_not_found(uri: str) -> None:
    assert catalogue.load().find_image(uri) is None


def test_image_name_with_hyphens() -> None:
    assert split_image("docker://inductiva/kutu:openfoam-esi_v2412_dev") == ("openfoam-esi", "2412")


def test_production_lists_every_production_version() -> None:
    production, development = catalogue.load().available_versions()
    assert sum(len(versions) for versions in [*production.values(), *development.values()]) == len(OFFERED)
    assert production["base-image"] == ["0.1.1"]


def test_latest_is_newest_not_last_in_the_alphabet() -> None:
    versions = [Version("9.01A"), Version("11.01"), Version("10.05"), Version("12.0", channel=Channel.DEVELOPMENT)]
    assert Simulator("x", "X", "", versions).latest.version == "11.01"


def test_versions_sort_by_number() -> None:
    ordered = ["6.9.1", "6.10.1", "11-2024", "2206", "2506"]
    assert sorted(set(ordered), key=version_key) == ordered


GOOD = 'name = "x"\ndisplay_name = "X"\ndescription = ""\n[[versions]]\nversion = "1"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name = ", "Invalid value"),
        (GOOD.replace('"x"', '"y"'), "'y'"),
        (GOOD.replace("display_name", "title"), "title"),
        (GOOD.replace('"1"', "1"), "Expected `str`, got `int` - at `$.versions[0].version`"),
        (GOOD.replace('"1"', '"1_gpu"'), "'1_gpu'"),
        (GOOD + '[[versions]]\nversion = "1"\n', "twice"),
        (GOOD + '[versions.native]\npython = ["numpy"]\n', "not pinned"),
        (GOOD + '[versions.native]\nfiles = { "/a/../b" = "swmm/runswmm.py" }\n', "'..'"),
        (GOOD + '[versions.native]\nfiles = { "/a" = "swmm/none.py" }\n', "'swmm/none.py'"),
        ('name = "x"\ndisplay_name = "X"\ndescription = ""\nversions = []\n', "at least one"),
    ],
)
def test_wrong_file_is_refused_with_its_name_and_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(text)
    with pytest.raises(CatalogueError) as caught:
        catalogue.load(tmp_path)
    assert str(file) in str(caught.value)
    assert reason in str(caught.value)


def test_right_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(GOOD)
    assert loader.load(tmp_path).names() == ["x"]
