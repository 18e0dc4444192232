//! What kernels are bound to: the one list that a host's layout is made of and sources are held to.

/// What a kernel may do with a buffer that is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Storage that is read alone.
    Read,
    /// Storage that is written, too.
    Write,
    /// The parameters.
    Uniform,
}

/// The bindings of every stage, by their numbers. `shared/params.wgsl` says what they are.
pub const BINDINGS: [Binding; 8] = [
    Binding::Read,
    Binding::Read,
    Binding::Write,
    Binding::Write,
    Binding::Write,
    Binding::Uniform,
    Binding::Read,
    Binding::Write,
];

/// Storage buffers among them: a device has a limit of its own for these.
pub const STORAGE_BUFFERS: u32 = BINDINGS.len() as u32 - 1;
