//! The conformance suite on every instruction set, kernel and number of threads.

mod common;

st_conformance::suite!(common::cpu());

#[test]
fn every_instruction_set_is_there_by_name() {
    use st_backend_cpu::Isa;
    let available = Isa::available();
    assert!(available.contains(&Isa::Portable), "the portable code runs everywhere");
    for isa in available {
        assert_eq!(Isa::from_name(isa.name()), Ok(isa));
    }
}
