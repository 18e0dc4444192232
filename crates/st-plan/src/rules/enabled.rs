//! SpiralK programs over the planner's names.

use std::cell::OnceCell;

use st_kdsl::{Diagnostics, Name, Rules, Schema, Type, Value, decode};
use st_rank::{Backend, DeviceCaps, Field, Fields, Problem, RankKind};

use super::{Condition, Hard, Place, Said, Vote};

/// Why rules were refused: the faults of the program, each with its line and column.
pub type RuleError = Diagnostics;

const fn number(name: &'static str, about: &'static str) -> Name {
    Name::new(name, Type::Number, about)
}

const fn flag(name: &'static str, about: &'static str) -> Name {
    Name::new(name, Type::Bool, about)
}

/// The names that rules may use: the fields of a choice, and what is known of problem and device.
pub const SCHEMA: Schema = Schema {
    // In the order of `Field`.
    fields: &[
        number("mk", "merge kind: 0 bitonic, 1 shared, 2 warp, 3 radix, 4 filter"),
        number(
            "mkd",
            "sub-strategy: 0 auto, 1 heap, 2 kway, 3 bitonic, 4 warp_heap, 5 warp_bitonic, 6 group_rank, \
             7 group_network",
        ),
        number("tile", "columns of a tile; on CUDA and the processor of filter alone"),
        number("ctile", "columns of a tile of radix; CUDA has none"),
        flag("use_2ce", "two compute commands instead of one"),
        number("wg", "threads of a workgroup"),
        number("kl", "candidates a lane keeps"),
        number("ch", "columns of a part of a split row; 0: not split"),
    ],
    // In the order of `variables`.
    variables: &[
        number("r", "rows"),
        number("c", "columns"),
        number("k", "ranks wanted of each row"),
        flag("sg", "whether the device has subgroups"),
        number("sgc", "lanes of a subgroup; 1 without subgroups"),
        number("kc", "size class of k: 1 up to 1024, 2 up to 16384, else 3"),
        number("lane", "lanes that run together"),
        number("wgmax", "greatest workgroup in threads"),
        number("smem", "shared memory of a workgroup in bytes"),
        number("cores", "multiprocessors or cores; 0 where unknown"),
        number("es", "bytes of an element"),
        flag("wgpu", "planning for WGPU"),
        flag("cuda", "planning for CUDA"),
        flag("hip", "planning for HIP"),
        flag("mps", "planning for Metal"),
        flag("cpu", "planning for the processor"),
        flag("topk", "the greatest"),
        flag("midk", "the middle"),
        flag("bottomk", "the least"),
        flag("range", "a range of ranks"),
    ],
};

type Variables = [Value; SCHEMA.variables.len()];

fn variables(problem: &Problem, caps: &DeviceCaps) -> Variables {
    let n = |x: f64| Value::Number(x);
    let on = |backend| Value::Bool(caps.backend == backend);
    let is = |kind: RankKind| Value::Bool(problem.kind.name() == kind.name());
    let size_class = match problem.k {
        0..=1024 => 1.0,
        1025..=16_384 => 2.0,
        _ => 3.0,
    };
    [
        n(problem.rows as f64),
        n(problem.cols as f64),
        n(problem.k as f64),
        Value::Bool(caps.subgroups),
        n(if caps.subgroups { caps.lane.into() } else { 1.0 }),
        n(size_class),
        n(caps.lane.into()),
        n(caps.max_workgroup.into()),
        n(caps.shared_mem.into()),
        n(caps.cores.into()),
        n(problem.dtype.size() as f64),
        on(Backend::Wgpu),
        on(Backend::Cuda),
        on(Backend::Hip),
        on(Backend::Mps),
        on(Backend::Cpu),
        is(RankKind::TopK),
        is(RankKind::MidK),
        is(RankKind::BottomK),
        is(RankKind::Range { start: 0 }),
    ]
}

/// A field's value as the language has it.
fn value_of(field: Field, value: u32) -> Value {
    match field {
        Field::Use2ce => Value::Bool(value != 0),
        _ => Value::Number(value.into()),
    }
}

/// A value of the language as a number: bools are 0 and 1.
fn number_of(value: Value) -> f64 {
    match value {
        Value::Number(x) => x,
        Value::Bool(b) => f64::from(u8::from(b)),
    }
}

/// More than this is taken as this: a speed ratio of e^1000 already has no meaning.
const MOST_WEIGHT: f64 = 1e3;

/// The same for rules that others share: a hint may say 2.7 times as fast, and not more.
const MOST_SHARED_WEIGHT: f64 = 1.0;

/// The programs, in the order in which they were added; those that others share come first.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleBook {
    shared: Vec<Shared>,
    programs: Vec<Rules>,
}

/// Soft rules for devices with the fingerprint of one.
#[derive(Clone, Debug)]
struct Shared {
    device: DeviceCaps,
    rules: Rules,
}

impl RuleBook {
    pub(crate) fn add(&mut self, name: &str, text: &[u8]) -> Result<(), RuleError> {
        let before: Vec<usize> = self.programs.iter().flat_map(|p| p.assigns().iter()).collect();
        let rules = Rules::compile(name, decode(name, text)?, &SCHEMA, &before)?;
        self.programs.push(rules);
        Ok(())
    }

    pub(crate) fn add_shared(
        &mut self,
        name: &str,
        device: &DeviceCaps,
        text: &str,
    ) -> Result<(), RuleError> {
        let rules = Rules::compile(name, text, &SCHEMA, &[])?;
        self.shared.push(Shared { device: *device, rules });
        Ok(())
    }

    pub(crate) fn ask(&self, problem: &Problem, caps: &DeviceCaps) -> Said<'_> {
        let mut said = Said::default();
        if self.programs.is_empty() && self.shared.is_empty() {
            return said;
        }
        let shared = self.shared.iter().filter(|shared| shared.device.is_same_device(caps));
        let shared = shared.map(|shared| (&shared.rules, true));
        let variables = variables(problem, caps);
        let mut assigned = [None; SCHEMA.fields.len()];
        for (program, shared) in shared.chain(self.programs.iter().map(|own| (own, false))) {
            let place = |line| Place { source: program.name().to_owned(), line };
            let mut outcome = program.eval(&variables, &mut assigned);
            if shared {
                outcome.assignments.clear();
                assigned = [None; SCHEMA.fields.len()];
            }
            said.notes.extend(outcome.notes.iter().map(ToString::to_string));
            for assignment in outcome.assignments {
                let field = Field::ALL[assignment.field];
                let (asked, place) = (number_of(assignment.value), place(assignment.line));
                said.hard.retain(|earlier| earlier.field != field);
                said.hard.push(Hard { field, asked, place });
            }
            for vote in outcome.votes {
                let place = place(vote.line);
                let value = vote.field.zip(vote.value).map(|(field, value)| {
                    let (field, asked) = (Field::ALL[field], number_of(value));
                    let near = st_kernels::nearest(field, asked, caps);
                    if f64::from(near) != asked {
                        said.notes.push(format!(
                            "{place}: {field} = {asked} cannot be had here: {near} is the nearest \
                             that can"
                        ));
                    }
                    (field, near)
                });
                let most = if shared { MOST_SHARED_WEIGHT } else { MOST_WEIGHT };
                let weight = vote.weight.clamp(-most, most);
                if weight != vote.weight {
                    let given = vote.weight;
                    said.notes.push(format!("{place}: the weight {given} is taken as {weight}"));
                }
                let mentioned = vote.fields();
                let mut scope = Fields::NONE;
                for field in Field::ALL {
                    if mentioned.contains(field as usize) {
                        scope = scope.with(field);
                    }
                }
                let conditional = scope != Fields::NONE;
                said.votes.push(Vote {
                    value,
                    weight,
                    scope,
                    when: conditional.then(|| {
                        let holds = move |choice: &st_rank::Choice| {
                            let fields = Field::ALL.map(|f| value_of(f, choice.get(f)));
                            vote.applies(&variables, &fields).map_err(|note| note.of_candidates())
                        };
                        Box::new(holds) as Condition<'_>
                    }),
                    void: OnceCell::new(),
                    place,
                });
            }
        }
        said
    }
}
