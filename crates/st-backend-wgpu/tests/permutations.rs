//! Permutations of the kernels: every two levels of every two settings together, or (by
//! `SPIRAL_PERMUTATIONS=full`) every permutation that any combination of the settings needs. Answers
//! are compared with the naive oracle's, values and indices bit for bit.

#[path = "permutations/questions.rs"]
mod questions;
#[path = "permutations/sweep.rs"]
mod sweep;

use st_backend_wgpu::WgpuExecutor;
use st_conformance::{compactions, permutations};
use st_kernels::wgsl::Stage;

use questions::Question;

fn is_full() -> bool {
    match std::env::var("SPIRAL_PERMUTATIONS").as_deref() {
        Ok("full") => true,
        Ok("pairs") | Err(_) => false,
        Ok(other) => panic!("SPIRAL_PERMUTATIONS={other}: use pairs or full"),
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "this is what `--nocapture` is for")]
fn permutations_answer_as_the_oracle_does() {
    let exec = WgpuExecutor::default();
    let caps = exec.caps().expect("an adapter: mesa-vulkan-drivers has a software one");
    let covering = permutations::covering(&caps);
    assert_eq!(covering.covered, covering.possible, "every possible pair of settings is there");
    let mut asked: Vec<Question> = covering.settings.iter().map(|&s| Question::Select(s)).collect();
    asked.extend(compactions::covering(&caps).into_iter().map(Question::Compact));
    asked.extend(questions::many_rows(&caps));
    asked.extend(questions::once_wrong(&caps));
    if is_full() {
        asked.extend(questions::all_kernels(&exec, &caps));
    }
    let found = sweep::ask(asked, is_full());
    println!(
        "{} of {} possible pairs of settings ({} pairs are not possible)\n{found}",
        covering.covered,
        covering.possible,
        covering.all - covering.possible,
    );
    let missing: Vec<&str> = Stage::ALL
        .iter()
        .filter(|stage| caps.subgroups || !stage.needs_subgroups())
        .filter(|stage| {
            let grouped = matches!(stage, Stage::GroupRank | Stage::GroupNetwork);
            !grouped || questions::has_groups(&caps)
        })
        .filter(|&&stage| !found.ran(stage))
        .map(|stage| stage.name())
        .collect();
    assert_eq!(missing, [""; 0], "stages of which nothing is known");
    assert!(found.failures.is_empty(), "{}", found.failures.join("\n\n"));
}
