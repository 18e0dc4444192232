//! Self-Rewrite on a device that is simulated: what is written, when, and what is left alone.

#![allow(clippy::print_stdout, reason = "figures for docs/tuning.md, and what is skipped")]

mod edits;
mod files;
mod gains;
mod processes;
mod sim;
