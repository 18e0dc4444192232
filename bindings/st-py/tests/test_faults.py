"""What is wrong with rules, tables and variables is said, once, and nothing stops."""

import ctypes.util
import json
import subprocess
import sys

import pytest

SAID = """
import json, warnings
import numpy as np
import spiraltorch as st

def said(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [(str(w.message), w.category.__name__, w.filename) for w in caught]

x = np.arange(12.0).reshape(3, 4)
first = said(lambda: CALL)
later = said(lambda: [st.topk(x, 2), st.midk(x, 2), st.plan("topk", 3, 4, 2), st.explain("topk", 3, 4, 2)])
right = st.topk(x, 2).indices.tolist() == [[3, 2]] * 3
print(json.dumps([first, later, right]))
"""

CALLS = {
    "topk": "st.topk(x, 2)",
    "nothing to write": "st.topk(x, 0)",
    "midk": "st.midk(x, 2)",
    "top_k": "st.top_k(x, 2)",
    "a list": "st.bottomk([3, 1, 2], 1)",
    "plan": 'st.plan("topk", 3, 4, 2)',
    "explain": 'st.explain("topk", 3, 4, 2, caps="wgpu")',
    "tune": 'st.tune("cpu", 1e-9, shapes=[(2, 100, 3)])',
}


def run(code, home, **env):
    env = {"SPIRAL_HOME": str(home), **env}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return done


def said(home, call="st.topk(x, 2)", **env):
    first, later, right = json.loads(run(SAID.replace("CALL", call), home, **env).stdout)
    assert later == [] and right
    assert all(category == "RuntimeWarning" for _, category, _ in first)
    return first


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_typo_in_the_rules_is_said_once_whatever_is_called(call, tmp_path):
    ((text, _, filename),) = said(tmp_path, call, SPIRAL_HEUR_K="mk: 0;\n tiel: 3")
    assert text.startswith("SPIRAL_HEUR_K:2:2") and "tiel" in text
    assert filename == "<string>", "the caller's line"


def test_without_faults_nothing_is_said(tmp_path):
    assert said(tmp_path) == []
    assert said(tmp_path, SPIRAL_HEUR_K="mk: 0", SPIRAL_SELF_REWRITE="0", REDIS_URL="") == []


def test_each_fault_is_said(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/cpu-a.json").write_text("[")
    (tmp_path / "heur.kdsl").write_text("mk:")
    env = {
        "SPIRAL_HEUR_SOFT": "maybe",
        "SPIRAL_HEUR_GEN_WEIGHT": "heavy",
        "SPIRAL_SELF_REWRITE": "1",
        "REDIS_URL": "redis://nowhere.invalid:1",
    }
    texts = [text for text, _, _ in said(tmp_path, **env)]
    parts = ["heur.kdsl:1:", "SPIRAL_HEUR_SOFT=maybe", "SPIRAL_SELF_REWRITE: this build does not have the feature"]
    parts += ["SPIRAL_HEUR_GEN_WEIGHT=heavy", "cpu-a.json", "planned without shared hints: this build cannot share hints"]
    assert len(texts) == len(parts)
    for text, part in zip(texts, parts, strict=True):
        assert part in text


def test_what_is_an_error_for_the_user_is_raised(tmp_path):
    code = """
import warnings
import numpy as np
import spiraltorch as st
warnings.simplefilter("error")
x = np.arange(5.0)
for part in "SPIRAL_HEUR_SOFT=maybe", "SPIRAL_HEUR_GEN_WEIGHT=heavy":
    try:
        st.topk(x, 2)
    except RuntimeWarning as warning:
        assert part in str(warning), warning
    else:
        raise SystemExit("nothing was raised")
assert st.topk(x, 2).indices.tolist() == [4, 3]
"""
    run(code, tmp_path, SPIRAL_HEUR_SOFT="maybe", SPIRAL_HEUR_GEN_WEIGHT="heavy")


def test_a_warning_s_own_call_is_no_loop(tmp_path):
    code = """
import warnings
import numpy as np
import spiraltorch as st
seen = []
def show(message, *more):
    seen.append(str(message))
    st.topk(np.arange(5.0), 2)
warnings.showwarning = show
st.topk(np.arange(5.0), 2)
assert len(seen) == 2, seen
"""
    run(code, tmp_path, SPIRAL_HEUR_SOFT="maybe", SPIRAL_HEUR_GEN_WEIGHT="heavy")


def test_what_becomes_wrong_is_said_by_the_next_call(tmp_path):
    code = """
import os, sys, warnings
import spiraltorch as st
warnings.simplefilter("error")
shapes = [(2, 100, 3)]
st.tune("cpu", 1e-9, shapes=shapes)
with open(os.path.join(os.environ["SPIRAL_HOME"], "tables", "cpu-z.json"), "w") as file:
    file.write("[")
st.tune("cpu", 1e-9, shapes=shapes)
try:
    st.plan("topk", 3, 4, 2)
except RuntimeWarning as warning:
    assert "cpu-z.json" in str(warning)
    st.tune("cpu", 1e-9, shapes=shapes)
    st.plan("topk", 3, 4, 2)
else:
    raise SystemExit("nothing was raised")
"""
    (tmp_path / "tables").mkdir()
    run(code, tmp_path)


LOADED = """
import numpy as np
import spiraltorch as st

st.devices()
st.doctor()
st.topk(np.zeros((8, 1000000), np.float32), 100000)
with open("/proc/self/maps") as maps:
    print(sum("libEGL" in line for line in maps))
"""


@pytest.mark.skipif(sys.platform != "linux" or not ctypes.util.find_library("EGL"), reason="there is no libEGL to load")
def test_no_call_loads_gl_by_the_way(tmp_path):
    # Mesa's brings a compiler that all of the process sees; Triton's, loaded later, then crashes.
    assert run(LOADED, tmp_path).stdout.strip() == "0"
