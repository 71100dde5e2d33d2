"""Plots: images that the UI lets through."""

from __future__ import annotations

import re
from base64 import b64decode
from xml.etree import ElementTree

from orchestration.plots import calibration_plot


def test_a_plot_is_an_image_with_a_point_a_bin() -> None:
    image = re.fullmatch(
        r"!\[calibration\]\(data:image/svg\+xml;base64,(.+)\)", calibration_plot([(0.25, 0.5, 4), (1, 1, 1)])
    )
    assert image
    drawn = ElementTree.fromstring(b64decode(image[1]))
    points = [(p.get("cx"), p.get("cy")) for p in drawn.iter("{http://www.w3.org/2000/svg}circle")]
    # 320 wide from 40 on; the share correct upwards from 360.
    assert points == [("120.0", "200.0"), ("360.0", "40.0")]
