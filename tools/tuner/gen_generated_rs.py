#!/usr/bin/env python3
"""Turns a tuner's results into the Rust table that is compiled into st-core.

    python3 tools/tuner/gen_generated_rs.py tools/tuner/tuner_results.json \
      > crates/st-core/src/backend/wgpu_heuristics_generated.rs

Reads a list of records, as it is or as the "records" of {"schema": 1}; or a table of `spiral tune`:
{"schema": 1, "device": {..}, "versions": {..}, "records": [..]}, which must be of a device through
WGPU (Metal's too), and of which those records are left out that have no time: they say which choices
are not to be planned. A record has `rows`, `cols_min`, `cols_max`,
`k_max`, `sg` (or null: with subgroups or without), and `mk` and `tile`, or `choice` with any of the
eight fields; and may have `kind`, `dtype`, `median_us`, `cols`, `k`.
Exit status 2, and a message that names the record, for anything else; nothing is printed then.
"""

import hashlib
import json
import math
import os
import sys

MERGE_KINDS = ["Bitonic", "Shared", "Warp", "Radix", "Filter"]
MERGE_DETAILS = [
    "Auto",
    "Heap",
    "Kway",
    "Bitonic",
    "WarpHeap",
    "WarpBitonic",
    "GroupRank",
    "GroupNetwork",
]
KINDS = ["topk", "bottomk", "midk", "range"]
DTYPES = ["f32", "f16", "bf16", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"]
BACKENDS = ["wgpu", "mps"]
FIELDS = ["mk", "mkd", "tile", "ctile", "use_2ce", "wg", "kl", "ch"]
U32_MAX = 2**32 - 1


class Bad(Exception):
    """What is wrong with the input."""


def number(record, name, least=0, default=None):
    """A whole number of a record that fits u32."""
    value = record.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= U32_MAX:
        raise Bad(f"{name} = {value!r}: give a whole number from {least} to {U32_MAX}")
    return value


def field(name, value):
    """A field of a choice in Rust."""
    if name == "use_2ce":
        if not isinstance(value, bool):
            raise Bad(f"use_2ce = {value!r}: give true or false")
        return str(value).lower()
    value = number({name: value}, name)
    for code, enum, names in [
        ("mk", "MergeKind", MERGE_KINDS),
        ("mkd", "MergeDetail", MERGE_DETAILS),
    ]:
        if name == code:
            if value >= len(names):
                raise Bad(f"{name} = {value}: give a code from 0 to {len(names) - 1}")
            return f"st_rank::{enum}::{names[value]}"
    return str(value)


def one_of(record, name, allowed, default):
    """A name of a record out of those allowed."""
    value = record.get(name, default)
    if value not in allowed:
        raise Bad(f"{name} = {value!r}: give one of {', '.join(allowed)}")
    return value


def rust(record):
    """A record in Rust, on one line."""
    if not isinstance(record, dict):
        raise Bad("it is no object")
    rows = number(record, "rows", 1)
    cols_min, cols_max = number(record, "cols_min"), number(record, "cols_max", 1)
    if cols_min > cols_max:
        raise Bad(f"cols_min = {cols_min} is greater than cols_max = {cols_max}")
    k_max = number(record, "k_max", 1)
    calls = []
    sg = record.get("sg")
    if sg is not None:
        if not isinstance(sg, bool):
            raise Bad(f"sg = {sg!r}: give true, false or null")
        calls.append(f".with_sg({str(sg).lower()})")
    kind = one_of(record, "kind", KINDS, "topk")
    dtype = one_of(record, "dtype", DTYPES, "f32")
    if (kind, dtype) != ("topk", "f32"):
        calls.append(f'.with_kind("{kind}", st_rank::DType::{dtype.capitalize()})')
    choice = {name: record[name] for name in ("mk", "tile") if name in record}
    given = record.get("choice", {})
    if not isinstance(given, dict):
        raise Bad("choice is no object")
    choice.update({name: given[name] for name in FIELDS if name in given})
    if not choice:
        raise Bad("it has no choice: give mk and tile, or choice")
    fields = [f"{name}: Some({field(name, choice[name])})" for name in FIELDS if name in choice]
    rest = [] if len(fields) == len(FIELDS) else ["..Partial::NONE"]
    calls.append(f".with_choice(Partial {{ {', '.join(fields + rest)} }})")
    median = record.get("median_us")
    if median is not None:
        if not isinstance(median, (int, float)) or not math.isfinite(median) or median <= 0:
            raise Bad(f"median_us = {median!r}: give a positive number")
        cols, k = number(record, "cols", 1, cols_max), number(record, "k", 1, k_max)
        calls.append(f".with_time({float(median)!r}, {cols}, {k})")
    return f"    Record::new({rows}, {cols_min}, {cols_max}, {k_max}){''.join(calls)},"


def records_of(document):
    """The records of either form with their places, what they were measured on, and the kernels' version."""
    if isinstance(document, list):
        return list(enumerate(document)), "no device is named", None
    if not isinstance(document, dict) or document.get("schema") != 1:
        raise Bad("it is neither a list of records nor a document of schema 1")
    records = document.get("records")
    if not isinstance(records, list):
        raise Bad("it has no list of records")
    device, versions = document.get("device"), document.get("versions", {})
    if not device:
        return list(enumerate(records)), "no device is named", None
    backend = device.get("backend") if isinstance(device, dict) else device
    if backend not in BACKENDS:
        raise Bad(f"its device is of {backend!r}: give a table of {' or '.join(BACKENDS)}")
    if not isinstance(versions, dict):
        raise Bad("versions is no object")
    timed = [(at, r) for at, r in enumerate(records) if not isinstance(r, dict) or r.get("median_us") is not None]
    return timed, json.dumps(device, sort_keys=True), number(versions, "kernels", 1)


def generate(path):
    """The whole file."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        records, device, kernels = records_of(json.loads(data))
    except ValueError as error:
        raise Bad(f"not JSON: {error}") from error
    lines = []
    for place, record in records:
        try:
            lines.append(rust(record))
        except Bad as error:
            raise Bad(f"record {place}: {error}") from error
    # A comment may not be opened or closed by what a file names itself.
    device = device.replace("\n", " ")
    name = os.path.basename(path).replace("\n", " ")
    timed = sum(1 for _, r in records if r.get("median_us") is not None)
    body = "\n".join(lines)
    table = f"&[\n{body}\n]" if lines else "&[]"
    version = "None" if kernels is None else f"Some({kernels})"
    use = "use st_plan::table::{Partial, Record};" if lines else "use st_plan::table::Record;"
    return f"""//! What was found best on WGPU, by buckets of shapes.
//!
//! Generated by `tools/tuner/gen_generated_rs.py` from `{name}`
//! (sha256 {hashlib.sha256(data).hexdigest()}):
//! {len(lines)} records, {timed} of them with a measured time; {device}.
//! Do not edit: change the results and run `cargo xtask codegen`.
//!
//! Where records overlap, the one nearest in rows answers; of those the one with the least `k_max`,
//! then the narrowest range of columns, then the least measured time, then the first.

{use}
use st_rank::Choice;

/// The version of the kernels that were measured, if it is told.
pub const KERNELS: Option<u32> = {version};

/// The records, in the order of the results.
#[rustfmt::skip]
pub static RECORDS: &[Record] = {table};

/// The choice of the record that answers for `TopK` of f32, if there is one; what it does not say
/// is filled in as [`st_plan::table::Partial::complete`] has it.
#[must_use]
pub fn choose(rows: u32, cols: u32, k: u32, sg: bool) -> Option<Choice> {{
    st_plan::table::choose(RECORDS, rows, cols, k, sg)
}}
"""


def main():
    """Generates the file named on the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: gen_generated_rs.py TUNER_RESULTS.json > GENERATED.rs")
    try:
        text = generate(sys.argv[1])
    except (OSError, Bad) as error:
        sys.stderr.write(f"{sys.argv[1]}: {error}\n")
        sys.exit(2)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
