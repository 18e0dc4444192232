// Values that are the same for all threads of a workgroup, where barriers depend on them. A browser's
// compiler wants that proved, and takes what comes from shared memory for different: it gets the first
// thread's value, with barriers before and behind. Elsewhere nothing is done.

#ifdef WEB
var<workgroup> uniform_word: u32;

fn uniform_of(value: u32) -> u32 {
    if (tid == 0u) {
        uniform_word = value;
    }
    return workgroupUniformLoad(&uniform_word);
}
#else
fn uniform_of(value: u32) -> u32 {
    return value;
}
#endif

fn is_uniform(value: bool) -> bool {
    return uniform_of(select(0u, 1u, value)) != 0u;
}
