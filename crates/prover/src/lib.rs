//! Proves of a set of policies what no policy may ever change, for all requests that there can be.
//!
//! [Cedar's symbolic compiler] says in logic what a set of policies decides; a solver ([`solver`]) is asked whether any request
//! is decided otherwise once an invariant's `forbid` is added. If not, the invariant holds. If so, the solver's request is put to
//! Cedar itself, which must allow it ([`prove`]): a counterexample that does not replay proves nothing, nor does an answer
//! `unknown`. Whatever is not proven is refused.
//!
//! This is a program of its own (`caretaker-prove`), so that the everyday one has neither the compiler nor the solver in it. It
//! raises its own walls before it starts the solver ([`walls`]).
//!
//! [Cedar's symbolic compiler]: https://github.com/cedar-policy/cedar/tree/main/cedar-policy-symcc

pub mod prove;
pub mod solver;
pub mod walls;
