"""A renderer for tests, or a skip that says what is missing."""

from __future__ import annotations

from typing import Any

import pytest


def open_renderer(size: tuple[int, int], **options: Any) -> Any:
    from models_tflite.training.simulator.render import Renderer

    try:
        return Renderer(size, **options)
    except Exception as error:  # moderngl raises bare Exception when there is no EGL
        pytest.skip(f"no OpenGL without a screen here (apt: libegl1 libgl1-mesa-dri): {error}")
