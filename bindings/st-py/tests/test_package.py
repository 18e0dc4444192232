"""The package itself: what importing it costs and brings along, its reports, its types."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import spiraltorch as st

IMPORT = """
import sys, time
import numpy
before, began = set(sys.modules), time.perf_counter()
import spiraltorch
took = time.perf_counter() - began
ours = {name.partition(".")[0] for name in set(sys.modules) - before}
print(took * 1e3)
print(*sorted(ours - set(sys.stdlib_module_names)))
"""


def test_importing_takes_little_and_needs_numpy_alone():
    times = []
    for _ in range(5):
        run = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
        took, modules = run.stdout.splitlines()
        assert modules == "spiraltorch"
        times.append(float(took))
    assert min(times) < 15, f"{times} ms"


def test_a_plan_is_the_commands():
    plan = st.plan("topk", 1024, 65536, 100)
    assert plan.kind == "topk" and plan.device == "cpu"
    assert set(plan.choice) == {"mk", "mkd", "tile", "ctile", "use_2ce", "wg", "kl", "ch"} == set(plan.sources)
    assert plan.notes == [] and plan.predicted_us > 0
    assert repr(plan).startswith("<Plan: topk k=100 of 1024x65536 f32 on cpu")
    assert json.loads(json.dumps(plan.as_dict())) == plan.as_dict()
    assert plan == st.plan("topk", 1024, 65536, 100) != st.plan("topk", 1024, 65536, 101)
    with pytest.raises(AttributeError, match="Plan has no nonsense"):
        plan.nonsense


def test_a_plan_says_which_device_auto_took_and_why():
    plan = st.plan("topk", 4, 100, 3)
    assert plan.auto["device"] == plan.device == "cpu" and plan.auto["others"] == []
    assert plan.auto["why"].startswith("takes cpu: cpu ") and plan.auto["cpu_us"] == plan.predicted_us
    assert plan.auto["copies_us"] > 30
    large = st.plan("topk", 4096, 65536, 32768)
    software = {device.device for device in st.devices() if device.software}
    for other in large.auto["others"]:
        assert other["us"] or other["outcome"].startswith(("is software", "is not there"))
        assert other["device"] not in software or (other["us"] is None and large.device != other["device"])
    assert f"auto       {plan.auto['why']}\n" in repr(st.explain("topk", 4, 100, 3))
    for named in st.plan("topk", 4, 100, 3, device="cpu"), st.plan("topk", 4, 100, 3, caps="wgpu"):
        assert named.auto is None
    assert "auto  " not in repr(st.explain("topk", 4, 100, 3, device="cpu"))


def test_plans_for_devices_that_are_not_here():
    plan = st.plan("range", 8, 5000, 10, start=3, dtype="bf16", caps="wgpu,lane=32,subgroup=true,wg=256,smem=32768")
    assert plan.device == "wgpu" and plan.caps["shared_mem"] == 32768 and plan.problem["dtype"] == "bf16"
    for kwargs, part in [
        ({"caps": "tpu"}, "begin with wgpu"),
        ({"caps": "wgpu", "device": "cpu"}, "give one of them"),
        ({"dtype": "f128"}, "use one of f32"),
        ({"device": "gpu"}, '"cpu"'),
        ({"start": 3}, "start goes with"),
        ({"nan": "x"}, '"last"'),
    ]:
        with pytest.raises(ValueError, match=part):
            st.plan("topk", 8, 5000, 10, **kwargs)
    with pytest.raises(ValueError, match="kind"):
        st.plan("topkk", 8, 5000, 10)
    with pytest.raises(ValueError, match="at most 5"):
        st.plan("topk", 8, 5, 10)
    with pytest.raises(TypeError, match="rows must be an integer"):
        st.plan("topk", 8.5, 5, 1)


def test_an_explanation_can_be_read():
    why = st.explain("midk", 64, 5000, 7, device="cpu", top=3)
    assert len(why.candidates) == 3 and why.considered >= 3 and why.why
    text = repr(why)
    for part in ("<Explanation: midk k=7 of 64x5000", "expected us", "mk  ", why.why):
        assert part in text
    html = why._repr_html_()
    assert html.count("<table>") == 2 and "&lt;" not in why.text and "<script" not in html


def test_rules_are_seen_in_explanations(tmp_path):
    code = """
import spiraltorch as st
why = st.explain("topk", 64, 131072, 50, caps="wgpu,lane=32,subgroup=true,wg=256,smem=32768")
print(repr(why)); print(why._repr_html_()); print(st.doctor())
"""
    env = {"SPIRAL_HEUR_K": "mk: 1; soft(tile, 2048, 0.20, c > 10 && c < 1e9);", "SPIRAL_HOME": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert "rule       SPIRAL_HEUR_K:1: mk = 1" in run.stdout
    assert "tile = 2048 +0.200" in run.stdout
    assert re.search(r"^  rules +SPIRAL_HEUR_K$", run.stdout, re.MULTILINE)


def test_devices_and_doctor():
    devices = st.devices()
    assert devices[0].device == "cpu" and not devices[0].software and devices[0].caps["backend"] == "cpu"
    health = st.doctor()
    assert health.version == st.__version__ and health.libraries["numpy"] == np.__version__
    assert set(health.missing) == {"cpu", "cuda", "wgpu", "mps", "hip"} and health.missing["cpu"] is None
    assert health.cpu["caps"]["backend"] == "cpu" and health.cpu["isa"]["chosen"] in health.cpu["isa"]["available"]
    assert "not in this build" in health.missing["hip"] and health.tables and health.hints
    for part in (f"<spiraltorch {health.version} for", "processor  ", "cpu  ", "hip  ", "rules  ", "numpy  "):
        assert part in repr(health)


def test_auto_takes_no_software_and_named_devices_are_used():
    x = np.random.default_rng(0).standard_normal((4, 2000), dtype=np.float32)
    assert st.plan("topk", 1 << 14, 1 << 14, 8192).device in {d.device.partition(":")[0] for d in devices_for_auto()}
    if not any(d.device == "wgpu" for d in st.devices()):
        pytest.skip("no adapter for wgpu")
    found, want = st.topk(x, 9, device="wgpu"), st.topk(x, 9, device="cpu")
    np.testing.assert_array_equal(found.indices, want.indices)
    np.testing.assert_array_equal(found.values, want.values)
    with pytest.raises(TypeError, match="f64"):
        st.topk(x.astype(np.float64), 9, device="wgpu")


def devices_for_auto():
    return [device for device in st.devices() if not device.software]


def test_the_result_can_be_read_and_unpacked():
    found = st.topk(np.arange(5.0), 2)
    assert repr(found) == "Selection(values=array([4., 3.]), indices=array([4, 3]))"
    values, indices = found
    assert values is found.values and found._asdict()["indices"] is indices


def test_stubs_and_types():
    """The stub of the native part says what is there, and the facade's types hold."""
    pytest.importorskip("mypy")
    here = Path(st.__file__).parent
    assert (here / "py.typed").exists()
    run = [sys.executable, "-m", "mypy.stubtest", "spiraltorch", "--allowlist"]
    tests = Path(__file__).parent
    allowed = [str(tests / "stubtest_allowed.txt"), "--ignore-unused-allowlist"]
    check = subprocess.run(
        [*run, *allowed, "--mypy-config-file", str(tests / "mypy.ini")], capture_output=True, text=True
    )
    assert check.returncode == 0, check.stdout + check.stderr
    sample = ["--config-file", str(tests / "mypy.ini"), "--strict", str(tests / "typed_sample.py")]
    check = subprocess.run([sys.executable, "-m", "mypy", *sample], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr
