"""What several tests want: CUDA without a device (the repository's emulator, a driver and a compiler as libraries, built
once), and interrupts."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

EMULATOR = Path(__file__).parents[3] / "crates/st-conformance/emulator"


@pytest.fixture(scope="session")
def emulated(tmp_path_factory):
    """Runs a script with the emulator in the driver's place."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ to build CUDA's emulator with")
    # Compiled kernels are kept from run to run where a folder is named.
    folder = Path(os.environ.get("SPIRAL_PY_EMULATOR") or tmp_path_factory.mktemp("emulator"))
    for file, name in [("driver.cpp", "libcuda.so"), ("nvrtc.cpp", "libnvrtc.so")]:
        options = ["-O2", "-std=c++17", "-shared", "-fPIC", f'-DEMULATOR="{EMULATOR}"']
        subprocess.run(["g++", *options, EMULATOR / file, "-o", folder / name], check=True)
    env = os.environ | {
        "SPIRAL_CUDA_DRIVER": str(folder / "libcuda.so"),
        "SPIRAL_NVRTC": str(folder / "libnvrtc.so"),
        "SPIRAL_HOME": str(folder),
    }

    def run(script):
        path = Path(__file__).parent / script
        done = subprocess.run([sys.executable, path], env=env, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def interruptible():
    """A shell's background jobs ignore the signal of an interrupt, and what they start does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
