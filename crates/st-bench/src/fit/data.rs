//! Measured times, and what the cost model makes of them.

use serde::Deserialize;
use st_core::backend::device_caps::DeviceCaps;
use st_core::ops::rank_entry::{Choice, Field, MergeKind, Problem, RankKind};
use st_kernels::cpu::details;
use st_plan::{CpuCosts, predict_cpu};

use crate::Result;

#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub(super) date: String,
    pub(super) processor: String,
    caps: Caps,
    cells: Vec<Measured>,
}

#[derive(Debug, Deserialize)]
struct Caps {
    lane: u32,
    threads: u32,
    l1: u32,
    l2: u64,
}

#[derive(Debug, Deserialize)]
struct Measured {
    rows: usize,
    cols: usize,
    k: usize,
    predicted_us: f64,
    choices: Vec<[f64; 9]>,
}

/// A shape with its measured choices.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) rows: Vec<Row>,
}

/// A choice: what the model says, and what was measured.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Nanoseconds that each coefficient adds, as set by hand.
    pub(super) parts: [f64; CpuCosts::LEN],
    /// Nanoseconds that no coefficient changes.
    pub(super) base: f64,
    pub(super) kind: usize,
    /// Logarithms of nanoseconds: measured, and of the fastest choice of the cell.
    pub(super) time: f64,
    pub(super) best: f64,
}

/// The committed measurements.
pub(super) fn read() -> Result<(File, Vec<Cell>)> {
    let text = include_str!("../../data/cpu_sweep_one_thread.json");
    let file: File = serde_json::from_str(text)?;
    let caps = DeviceCaps::cpu(file.caps.lane, file.caps.threads)
        .with_shared_mem(file.caps.l1)
        .with_l2(file.caps.l2);
    let cells = file.cells.iter().map(|cell| features(cell, &caps)).collect::<Result<_>>()?;
    Ok((file, cells))
}

fn choice(fields: &[f64; 9]) -> Result<Choice> {
    let mut choice = Choice {
        mk: MergeKind::Filter,
        mkd: st_core::ops::rank_entry::MergeDetail::Auto,
        tile: 0,
        ctile: 0,
        use_2ce: false,
        wg: 1,
        kl: 1,
        ch: 0,
    };
    let order = [
        Field::Mk,
        Field::Mkd,
        Field::Tile,
        Field::Ctile,
        Field::Use2ce,
        Field::Wg,
        Field::Kl,
        Field::Ch,
    ];
    for (field, &value) in order.into_iter().zip(fields) {
        choice = choice.with(field, value as u32).ok_or("no such choice in the data")?;
    }
    Ok(choice)
}

fn features(cell: &Measured, caps: &DeviceCaps) -> Result<Cell> {
    let problem = Problem::new(RankKind::TopK, cell.rows, cell.cols, cell.k);
    let hand = CpuCosts::BY_HAND.to_array();
    let mut rows = Vec::new();
    for fields in &cell.choices {
        let choice = choice(fields)?;
        // Of the sweep's choices, those of the planner's kind: it asks for no other detail of a
        // kernel, for powers of two of maxima, for a filter's slack of half the ranks, and one
        // thread splits nothing. What it never asks for it need not predict.
        let slack = (cell.k / 2).max(256).div_ceil(caps.lane as usize) as u32;
        let other = match choice.mk {
            MergeKind::Warp => !choice.kl.is_power_of_two(),
            MergeKind::Filter => !(slack / 2..=slack * 2).contains(&choice.kl),
            kind => choice.mkd != details(kind)[0],
        };
        if choice.use_2ce || choice.ch > 0 || other {
            continue;
        }
        let of = |costs| predict_cpu(&problem, caps, &choice, CpuCosts::from_array(costs));
        let base = of([0.0; CpuCosts::LEN]);
        let mut parts = [0.0; CpuCosts::LEN];
        for (i, part) in parts.iter_mut().enumerate() {
            // The model is linear in its coefficients.
            let mut one = [0.0; CpuCosts::LEN];
            one[i] = hand[i];
            *part = of(one) - base;
        }
        let ln_ns = |us: f64| (us * 1e3).ln();
        let kind = usize::from(choice.mk.code());
        rows.push(Row { parts, base, kind, time: ln_ns(fields[8]), best: 0.0 });
    }
    let best = rows.iter().map(|row| row.time).fold(f64::INFINITY, f64::min);
    rows.iter_mut().for_each(|row| row.best = best);
    // The fastest predicted one is what the planner took when this was measured, if the caps are
    // those of then.
    let least = rows.iter().map(Row::by_hand).fold(f64::INFINITY, f64::min);
    if least > cell.predicted_us * 1e3 * 1.01 {
        let (rows, cols, k) = (cell.rows, cell.cols, cell.k);
        return Err(format!(
            "{rows}x{cols}, {k}: predicted {least} ns, the file has {}",
            cell.predicted_us * 1e3
        )
        .into());
    }
    Ok(Cell { rows })
}

impl Row {
    fn by_hand(&self) -> f64 {
        self.base + self.parts.iter().sum::<f64>()
    }
}
