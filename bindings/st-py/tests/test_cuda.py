"""CUDA, on the emulator: arrays with `__cuda_array_interface__`, tensors' path, and host data sent there by name.

What only a device can show is in `bench/cuda.py`.
"""

import importlib.util

import pytest


def test_arrays_on_a_device(emulated):
    assert "passed" in emulated("emulated_arrays.py")


def test_tensors_on_a_device(emulated):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    assert "passed" in emulated("emulated_tensors.py")
