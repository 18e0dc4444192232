"""CUDA, on the emulator: arrays with `__cuda_array_interface__`, tensors' path, and host data sent there by name.

What only a device can show is in `bench/cuda.py`.
"""

import importlib.util
from pathlib import Path

import pytest
from spiraltorch import _nvrtc


def test_arrays_on_a_device(emulated):
    assert "passed" in emulated("emulated_arrays.py")


def test_tensors_on_a_device(emulated):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    assert "passed" in emulated("emulated_tensors.py")


def test_the_newest_compiler_that_the_driver_takes():
    """With the packages of two versions beside each other the newer one's code may be too new for the driver."""
    old, new, torchs = (Path(name) for name in ("a/libnvrtc.so.12", "b/libnvrtc.so.13", "c/libnvrtc-0f.so.11.2"))
    for driver, found, expected in [
        (13, [new, old], new),
        (12, [new, old, torchs], old),
        (11, [new, torchs, old], torchs),
        (14, [old, new], new),
        (None, [new, old], new),
        (10, [old, new], new),
        (12, [], None),
    ]:
        assert _nvrtc.newest(found, driver) == expected, driver


def test_the_drivers_version(monkeypatch, tmp_path):
    monkeypatch.setenv("SPIRAL_CUDA_DRIVER", str(tmp_path / "gone.so"))
    assert _nvrtc.driver_major() is None
